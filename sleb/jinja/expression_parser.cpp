#include "sleb/jinja/expression_parser.h"

#include <algorithm>

#include "sleb/jinja/fault.h"
#include "sleb/jinja/library.h"

namespace sleb::jinja {
namespace {

// Running an expression takes stack for each of its levels.
constexpr int deepest_expression = 300;

int depth_of(const Expression& node) {
  int depth = 0;
  const auto look = [&](const ExpressionPtr& part) {
    if (part) depth = std::max(depth, part->depth);
  };
  for (const auto& part : node.operands) look(part);
  for (const auto& part : node.arguments.positional) look(part);
  for (const auto& [name, part] : node.arguments.keywords) look(part);
  look(node.arguments.more_positional);
  look(node.arguments.more_keywords);
  return depth + 1;
}

ExpressionPtr finished(Expression node) {
  node.depth = depth_of(node);
  if (node.depth > deepest_expression) {
    fault_at(node.line, "an expression of more than {} levels", deepest_expression);
  }
  return std::make_unique<const Expression>(std::move(node));
}

Expression begun(Expression::Kind kind, int line, std::string name = {}) {
  return {
      .kind = kind, .line = line, .name = std::move(name), .value = {}, .operands = {}, .names = {}, .arguments = {}};
}

template <typename... Operands>
ExpressionPtr make(Expression::Kind kind, int line, std::string name, Operands... operands) {
  Expression node = begun(kind, line, std::move(name));
  (node.operands.push_back(std::move(operands)), ...);
  return finished(std::move(node));
}

ExpressionPtr constant(int line, Value value) {
  Expression node = begun(Expression::Kind::constant, line);
  node.value = std::move(value);
  return finished(std::move(node));
}

ExpressionPtr with_operands(Expression::Kind kind, int line, Expressions operands) {
  Expression node = begun(kind, line);
  node.operands = std::move(operands);
  return finished(std::move(node));
}

}  // namespace

ExpressionPtr ExpressionParser::expression() {
  const TokenStream::Nesting nesting(tokens_);
  const int line = tokens_.line();
  ExpressionPtr node = either();
  while (tokens_.skip_name("if")) {
    ExpressionPtr condition = either();
    ExpressionPtr otherwise = tokens_.skip_name("else") ? expression() : nullptr;
    node = make(Kind::conditional, line, "", std::move(node), std::move(condition), std::move(otherwise));
  }
  return node;
}

ExpressionPtr ExpressionParser::without_condition() {
  const TokenStream::Nesting nesting(tokens_);
  return either();
}

ExpressionPtr ExpressionParser::either() {
  ExpressionPtr node = both();
  while (tokens_.current().is_name("or")) {
    const int line = tokens_.next().line;
    node = make(Kind::binary, line, "or", std::move(node), both());
  }
  return node;
}

ExpressionPtr ExpressionParser::both() {
  ExpressionPtr node = negation();
  while (tokens_.current().is_name("and")) {
    const int line = tokens_.next().line;
    node = make(Kind::binary, line, "and", std::move(node), negation());
  }
  return node;
}

ExpressionPtr ExpressionParser::negation() {
  if (!tokens_.current().is_name("not")) return comparison();
  const TokenStream::Nesting nesting(tokens_);
  const int line = tokens_.next().line;
  return make(Kind::unary, line, "not", negation());
}

ExpressionPtr ExpressionParser::comparison() {
  Expression node = begun(Kind::comparison, tokens_.line());
  node.operands.push_back(sum());
  while (true) {
    const Token& token = tokens_.current();
    constexpr std::string_view signs[] = {"==", "!=", "<", "<=", ">", ">="};
    if (token.kind == TokenKind::sign && std::ranges::find(signs, token.text) != std::end(signs)) {
      node.names.push_back(tokens_.next().text);
    } else if (tokens_.skip_name("in")) {
      node.names.emplace_back("in");
    } else if (token.is_name("not") && tokens_.look().is_name("in")) {
      tokens_.next();
      tokens_.next();
      node.names.emplace_back("not in");
    } else {
      break;
    }
    node.operands.push_back(sum());
  }
  return node.names.empty() ? std::move(node.operands[0]) : finished(std::move(node));
}

ExpressionPtr ExpressionParser::left_to_right(Rule operand, std::initializer_list<std::string_view> signs) {
  ExpressionPtr node = (this->*operand)();
  const auto is_one = [&](const Token& token) {
    return token.kind == TokenKind::sign && std::ranges::find(signs, token.text) != signs.end();
  };
  while (is_one(tokens_.current())) {
    const Token& sign = tokens_.next();
    node = make(Kind::binary, sign.line, sign.text, std::move(node), (this->*operand)());
  }
  return node;
}

ExpressionPtr ExpressionParser::sum() {
  return left_to_right(&ExpressionParser::concatenation, {"+", "-"});
}

ExpressionPtr ExpressionParser::concatenation() {
  const int line = tokens_.line();
  Expressions parts;
  parts.push_back(product());
  while (tokens_.skip_sign("~")) parts.push_back(product());
  return parts.size() == 1 ? std::move(parts[0]) : with_operands(Kind::concat, line, std::move(parts));
}

ExpressionPtr ExpressionParser::product() {
  return left_to_right(&ExpressionParser::power, {"*", "/", "//", "%"});
}

ExpressionPtr ExpressionParser::power() {
  return left_to_right(&ExpressionParser::filtered, {"**"});
}

ExpressionPtr ExpressionParser::filtered() {
  ExpressionPtr node = unary();
  while (true) {
    if (tokens_.current().is_sign("|")) {
      node = filters(std::move(node));
    } else if (tokens_.current().is_name("is")) {
      node = test(std::move(node));
    } else if (tokens_.current().is_sign("(")) {
      node = postfix(std::move(node));
    } else {
      return node;
    }
  }
}

// A sign stands before the whole of what follows with its subscripts and calls, but without filters.
ExpressionPtr ExpressionParser::unary() {
  const Token& token = tokens_.current();
  if (!token.is_sign("-") && !token.is_sign("+")) return postfix(primary());
  const TokenStream::Nesting nesting(tokens_);
  tokens_.next();
  return postfix(make(Kind::unary, token.line, token.text, unary()));
}

ExpressionPtr ExpressionParser::primary() {
  const Token& token = tokens_.current();
  switch (token.kind) {
    case TokenKind::name: {
      tokens_.next();
      if (token.text == "true" || token.text == "True") return constant(token.line, Value(true));
      if (token.text == "false" || token.text == "False") return constant(token.line, Value(false));
      if (token.text == "none" || token.text == "None") return constant(token.line, Value());
      return make(Kind::name, token.line, token.text);
    }
    case TokenKind::string: {
      std::string text;
      while (tokens_.current().kind == TokenKind::string) text += tokens_.next().text;
      return constant(token.line, Value(std::move(text)));
    }
    case TokenKind::integer:
      tokens_.next();
      return constant(token.line, Value(token.integer));
    case TokenKind::real:
      tokens_.next();
      return constant(token.line, Value(token.real));
    default:
      if (token.is_sign("(")) return parenthesized();
      if (token.is_sign("[")) return list();
      if (token.is_sign("{")) return dict();
      tokens_.fail("an expression");
  }
}

ExpressionPtr ExpressionParser::parenthesized() {
  const int line = tokens_.next().line;
  ExpressionPtr node =
      tokens_.current().is_sign(")") ? with_operands(Kind::tuple, line, {}) : tuple_of(&ExpressionParser::expression);
  tokens_.expect_sign(")");
  return node;
}

ExpressionPtr ExpressionParser::list() {
  const int line = tokens_.next().line;
  Expressions items;
  while (!tokens_.current().is_sign("]")) {
    items.push_back(expression());
    if (!tokens_.skip_sign(",")) break;
  }
  tokens_.expect_sign("]");
  return with_operands(Kind::list, line, std::move(items));
}

ExpressionPtr ExpressionParser::dict() {
  const int line = tokens_.next().line;
  Expressions members;
  while (!tokens_.current().is_sign("}")) {
    members.push_back(expression());
    tokens_.expect_sign(":");
    members.push_back(expression());
    if (!tokens_.skip_sign(",")) break;
  }
  tokens_.expect_sign("}");
  return with_operands(Kind::dict, line, std::move(members));
}

ExpressionPtr ExpressionParser::postfix(ExpressionPtr node) {
  while (true) {
    const Token& token = tokens_.current();
    if (token.is_sign(".") || token.is_sign("[")) {
      node = subscript(std::move(node));
    } else if (token.is_sign("(")) {
      Expression call = begun(Kind::call, token.line);
      call.arguments = call_arguments();
      call.operands.push_back(std::move(node));
      node = finished(std::move(call));
    } else {
      return node;
    }
  }
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr node) {
  const Token& begin = tokens_.next();
  if (begin.text == ".") {
    const Token& member = tokens_.next();
    if (member.kind == TokenKind::name) return make(Kind::attribute, begin.line, member.text, std::move(node));
    if (member.kind != TokenKind::integer) fault_at(member.line, "expected a name or a number behind \".\"");
    return make(Kind::item, begin.line, "", std::move(node), constant(member.line, Value(member.integer)));
  }
  node = subscribed(std::move(node), begin.line);
  if (tokens_.current().is_sign(",")) fault_at(begin.line, "several subscripts at once are not supported");
  tokens_.expect_sign("]");
  return node;
}

ExpressionPtr ExpressionParser::subscribed(ExpressionPtr node, int line) {
  ExpressionPtr begin = tokens_.current().is_sign(":") ? nullptr : expression();
  if (!tokens_.skip_sign(":")) return make(Kind::item, line, "", std::move(node), std::move(begin));
  const auto part = [&]() -> ExpressionPtr {
    return tokens_.current().is_sign(":") || tokens_.current().is_sign("]") ? nullptr : expression();
  };
  ExpressionPtr end = part();
  ExpressionPtr step = tokens_.skip_sign(":") ? part() : nullptr;
  return make(Kind::slice, line, "", std::move(node), std::move(begin), std::move(end), std::move(step));
}

CallArguments ExpressionParser::call_arguments() {
  CallArguments arguments;
  const int line = tokens_.line();
  const auto check = [&](bool in_order) {
    if (!in_order) fault_at(line, "the arguments of a call are in the wrong order");
  };
  tokens_.expect_sign("(");
  while (!tokens_.current().is_sign(")")) {
    if (tokens_.skip_sign("*")) {
      check(!arguments.more_positional && !arguments.more_keywords);
      arguments.more_positional = expression();
    } else if (tokens_.skip_sign("**")) {
      check(!arguments.more_keywords);
      arguments.more_keywords = expression();
    } else if (tokens_.current().kind == TokenKind::name && tokens_.look().is_sign("=")) {
      check(!arguments.more_keywords);
      std::string name = tokens_.next().text;
      tokens_.next();
      arguments.keywords.emplace_back(std::move(name), expression());
    } else {
      check(!arguments.more_positional && !arguments.more_keywords && arguments.keywords.empty());
      arguments.positional.push_back(expression());
    }
    if (!tokens_.skip_sign(",")) break;
  }
  tokens_.expect_sign(")");
  return arguments;
}

ExpressionPtr ExpressionParser::filters(ExpressionPtr input) {
  while (tokens_.skip_sign("|")) input = named_filter(std::move(input));
  return input;
}

ExpressionPtr ExpressionParser::named_filter(ExpressionPtr input) {
  const int line = tokens_.line();
  Expression node = begun(Kind::filter, line, tokens_.expect_any_name());
  if (dialect_ == Dialect::task && !is_filter(node.name, dialect_)) {
    fault_at(line, "the filter {:?} is not supported", node.name);
  }
  if (tokens_.current().is_sign("(")) node.arguments = call_arguments();
  node.operands.push_back(std::move(input));
  return finished(std::move(node));
}

ExpressionPtr ExpressionParser::test(ExpressionPtr node) {
  const int line = tokens_.next().line;
  const bool negated = tokens_.skip_name("not");
  Expression test = begun(Kind::test, line, tokens_.expect_any_name());
  if (tokens_.current().is_sign("(")) {
    test.arguments = call_arguments();
  } else if (ExpressionPtr argument = test_argument()) {
    test.arguments.positional.push_back(std::move(argument));
  }
  test.operands.push_back(std::move(node));
  ExpressionPtr done = finished(std::move(test));
  return negated ? make(Kind::unary, line, "not", std::move(done)) : std::move(done);
}

// The one argument that needs no brackets; null if there is none.
ExpressionPtr ExpressionParser::test_argument() {
  const Token& token = tokens_.current();
  if (token.is_name("else") || token.is_name("or") || token.is_name("and")) return nullptr;
  if (token.is_name("is")) fault_at(token.line, "two tests in a row need brackets");
  const bool begins_one = token.kind == TokenKind::name || token.kind == TokenKind::string ||
                          token.kind == TokenKind::integer || token.kind == TokenKind::real || token.is_sign("[") ||
                          token.is_sign("{");
  return begins_one ? postfix(primary()) : nullptr;
}

bool ExpressionParser::ends_tuple() const {
  const Token& token = tokens_.current();
  return token.kind == TokenKind::output_end || token.kind == TokenKind::block_end || token.is_sign(")") ||
         token.is_name("in") || token.is_name("recursive");
}

ExpressionPtr ExpressionParser::tuple_of(Rule member) {
  const TokenStream::Nesting nesting(tokens_);
  const int line = tokens_.line();
  Expressions members;
  members.push_back((this->*member)());
  if (!tokens_.current().is_sign(",")) return std::move(members[0]);
  while (tokens_.skip_sign(",") && !ends_tuple()) members.push_back((this->*member)());
  return with_operands(Kind::tuple, line, std::move(members));
}

ExpressionPtr ExpressionParser::tuple() {
  return tuple_of(&ExpressionParser::expression);
}

ExpressionPtr ExpressionParser::tuple_without_condition() {
  return tuple_of(&ExpressionParser::without_condition);
}

namespace {

void check_target(const Expression& node) {
  if (node.kind == Expression::Kind::tuple) {
    for (const auto& part : node.operands) check_target(*part);
  } else if (node.kind != Expression::Kind::name) {
    fault_at(node.line, "only names can be assigned to");
  }
}

}  // namespace

ExpressionPtr ExpressionParser::target(bool with_namespace) {
  if (with_namespace && tokens_.current().kind == TokenKind::name && tokens_.look().is_sign(".")) {
    const Token& name = tokens_.next();
    tokens_.next();
    Expression node = begun(Kind::attribute_of_namespace, name.line, name.text);
    node.names.push_back(tokens_.expect_any_name());
    return finished(std::move(node));
  }
  ExpressionPtr node = tuple_of(&ExpressionParser::primary);
  check_target(*node);
  return node;
}

}  // namespace sleb::jinja
