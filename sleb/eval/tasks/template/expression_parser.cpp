#include <charconv>

#include "sleb/base/error.h"
#include "sleb/eval/tasks/template/expression.h"
#include "sleb/eval/tasks/template/functions.h"

namespace sleb {
namespace {

constexpr int deepest_nesting = 64;
constexpr int most_links = 1000;  // x.a.b|c...: each is one level of the tree

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Recursive descent, a function for each rule:
//   sum     = linked (("+" | "-") linked)*
//   linked  = primary ("." name arguments? | "[" index or slice "]" | "|" name arguments?)*
//   primary = text | integer | "[" sums "]" | "(" sum ")" | name
class Parser {
 public:
  Parser(std::string_view text, const std::string& place) : rest_(text), place_(place) {}

  Expression sum() {
    if (++depth_ > deepest_nesting) fail("nested too deep");
    Expression left = linked();
    for (int links = 0; next_is('+') || next_is('-'); ++links) {
      if (links == most_links) fail("too long");
      const auto kind = rest_[0] == '+' ? Expression::Kind::sum : Expression::Kind::difference;
      rest_.remove_prefix(1);
      left = of(kind, std::move(left));
      left.operands.push_back(linked());
    }
    --depth_;
    return left;
  }

  std::string_view rest() {
    skip_blanks();
    return rest_;
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    bad_input("{}: {} at {:?}", place_, what, rest_.substr(0, 40));
  }

  void skip_blanks() {
    const size_t blanks = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(blanks == rest_.npos ? rest_.size() : blanks);
  }

  bool next_is(char c) {
    skip_blanks();
    return !rest_.empty() && rest_[0] == c;
  }

  bool take(char c) {
    if (!next_is(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char c) {
    if (!take(c)) fail(fmt::format("expected {:?}", c));
  }

  static Expression of(Expression::Kind kind, Expression subject) {
    Expression expression{.kind = kind};
    expression.operands.push_back(std::move(subject));
    return expression;
  }

  Expression linked() {
    Expression subject = primary();
    for (int links = 0;; ++links) {
      if (links == most_links) fail("too long");
      if (take('.')) {
        const std::string name = word();
        subject =
            next_is('(') ? call(FunctionForm::method, name, std::move(subject)) : member(name, std::move(subject));
      } else if (take('[')) {
        subject = element_or_slice(std::move(subject));
      } else if (take('|')) {
        subject = call(FunctionForm::filter, word(), std::move(subject));
      } else {
        return subject;
      }
    }
  }

  Expression primary() {
    skip_blanks();
    if (rest_.empty()) fail("expected a value");
    if (rest_[0] == '\'' || rest_[0] == '"') return Expression{.literal = quoted()};
    if (is_digit(rest_[0]) || rest_[0] == '-') return Expression{.literal = number()};
    if (take('(')) {
      Expression inner = sum();
      expect(')');
      return inner;
    }
    if (take('[')) return Expression{.kind = Expression::Kind::list, .operands = values_until(']')};
    return Expression{.kind = Expression::Kind::field, .name = word()};
  }

  std::vector<Expression> values_until(char closing) {
    std::vector<Expression> values;
    while (!take(closing)) {
      if (!values.empty()) {
        expect(',');
        if (take(closing)) break;
      }
      values.push_back(sum());
    }
    return values;
  }

  static Expression member(const std::string& name, Expression subject) {
    Expression expression = of(Expression::Kind::member, std::move(subject));
    expression.name = name;
    return expression;
  }

  Expression element_or_slice(Expression subject) {
    if (!next_is(':')) {
      Expression index = sum();
      if (take(']')) {
        Expression element = of(Expression::Kind::element, std::move(subject));
        element.operands.push_back(std::move(index));
        return element;
      }
      if (index.kind != Expression::Kind::literal || !index.literal.is_number()) fail("expected ']'");
      return slice(index.literal.get<int64_t>(), std::move(subject));
    }
    return slice({}, std::move(subject));
  }

  Expression slice(std::optional<int64_t> from, Expression subject) {
    expect(':');
    Expression expression = of(Expression::Kind::slice, std::move(subject));
    expression.from = from;
    if (!next_is(']')) expression.to = number();
    expect(']');
    return expression;
  }

  Expression call(FunctionForm form, std::string name, Expression subject) {
    std::vector<Expression> arguments;
    if (take('(')) arguments = values_until(')');
    auto kind = Expression::Kind::call;
    if (form == FunctionForm::filter && name == "map") {
      if (arguments.empty() || !arguments[0].literal.is_string()) fail("map needs a filter's name in quotes");
      name = arguments[0].literal.get<std::string>();
      arguments.erase(arguments.begin());
      kind = Expression::Kind::call_each;
    }
    std::vector<Json> literals;
    for (const Expression& argument : arguments) literals.push_back(argument.literal);
    Expression expression = of(kind, std::move(subject));
    expression.function = find_function(form, name, literals, place_);
    for (Expression& argument : arguments) expression.operands.push_back(std::move(argument));
    return expression;
  }

  std::string word() {
    skip_blanks();
    if (rest_.empty() || !is_letter(rest_[0])) fail("expected a name");
    size_t length = 1;
    while (length < rest_.size() && (is_letter(rest_[length]) || is_digit(rest_[length]))) ++length;
    std::string name(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return name;
  }

  int64_t number() {
    skip_blanks();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) fail("expected an integer");
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return value;
  }

  // As in Python, a backslash before most characters is one: '\[' are two. What Python gives another meaning (\1, \x41)
  // is refused.
  std::string quoted() {
    const char quote = rest_[0];
    std::string text;
    for (size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == quote) {
        rest_.remove_prefix(i + 1);
        return text;
      }
      if (rest_[i] == '\\' && i + 1 < rest_.size()) {
        append_escaped(text, rest_[++i]);
      } else {
        text += rest_[i];
      }
    }
    fail("no end of the text");
  }

  void append_escaped(std::string& text, char c) const {
    constexpr std::string_view written = "\\'\"ntr", meant = "\\'\"\n\t\r";
    if (const size_t found = written.find(c); found != written.npos) {
      text += meant[found];
      return;
    }
    constexpr std::string_view other_meanings = "abfvxuUN01234567\n";
    if (other_meanings.find(c) != other_meanings.npos) {
      fail(fmt::format("\\{} in quotes is not supported (for one backslash write two)", c));
    }
    text += '\\';
    text += c;
  }

  std::string_view rest_;
  const std::string& place_;
  int depth_ = 0;
};

}  // namespace

Expression parse_expression(std::string_view& text, const std::string& place) {
  Parser parser(text, place);
  Expression expression = parser.sum();
  text = parser.rest();
  return expression;
}

}  // namespace sleb
