#include "sleb/jinja/lexer.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "sleb/base/utf8.h"
#include "sleb/jinja/fault.h"
#include "sleb/jinja/python_text.h"
#include "sleb/unicode/characters.h"

namespace sleb::jinja {
namespace {

// The longest first.
constexpr std::string_view signs[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                      "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};

// Line ends as "\n"; of a chat's template one at the end is dropped.
std::string with_plain_line_ends(std::string_view source, Dialect dialect) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    text += source[i] == '\r' ? '\n' : source[i];
  }
  if (dialect == Dialect::chat && text.ends_with('\n')) text.pop_back();
  return text;
}

// Where the next "{{", "{%" or "{#" is, or the size of `text`.
size_t next_tag(std::string_view text) {
  for (size_t i = text.find('{'); i != text.npos && i + 1 < text.size(); i = text.find('{', i + 1)) {
    if (text[i + 1] == '{' || text[i + 1] == '%' || text[i + 1] == '#') return i;
  }
  return text.size();
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class Lexer {
 public:
  Lexer(std::string_view source, Dialect dialect)
      : source_(with_plain_line_ends(source, dialect)), blocks_take_lines_(dialect == Dialect::chat), rest_(source_) {}

  std::vector<Token> run() {
    while (!rest_.empty()) {
      read_data();
      if (rest_.starts_with("{{")) {
        read_tag(TokenKind::output_begin, TokenKind::output_end, "}}");
      } else if (rest_.starts_with("{%")) {
        if (!read_raw()) read_tag(TokenKind::block_begin, TokenKind::block_end, "%}");
      } else if (rest_.starts_with("{#")) {
        read_comment();
      }
    }
    add(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  void add(TokenKind kind, std::string text) {
    tokens_.push_back({.kind = kind, .text = std::move(text), .line = line_});
  }

  std::string_view take(size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    line_ += static_cast<int>(std::count(taken.begin(), taken.end(), '\n'));
    if (!taken.empty()) at_line_start_ = taken.back() == '\n';
    rest_.remove_prefix(size);
    return taken;
  }

  void take_blanks() { take(rest_.size() - stripped_left(rest_).size()); }

  // Text up to a tag, without the blanks that the tag takes.
  void read_data() {
    const size_t end = next_tag(rest_);
    give_data(rest_.substr(0, end), rest_.substr(end));
    take(end);
  }

  void give_data(std::string_view text, std::string_view tag) {
    const char sign = tag.size() > 2 ? tag[2] : ' ';
    if (tag.empty()) {
      // nothing follows
    } else if (sign == '-') {
      text = stripped_right(text);
    } else if (blocks_take_lines_ && sign != '+' && tag[1] != '{') {
      const size_t line_end = text.rfind('\n');
      const size_t line = line_end == text.npos ? 0 : line_end + 1;
      const bool is_line = line_end != text.npos || at_line_start_;
      if (is_line && stripped_left(text.substr(line)).empty()) text = text.substr(0, line);
    }
    if (!text.empty()) add(TokenKind::data, std::string(text));
  }

  // What ends a tag, at the beginning of the rest: "-%}" with the blanks behind it, "+%}", or "%}" with one line end
  // behind it; of an output only the first and the last, which leaves the line end.
  bool take_end(std::string_view end) {
    const bool is_output = end == "}}";
    if (rest_.starts_with('-') && rest_.substr(1).starts_with(end)) {
      take(1 + end.size());
      take_blanks();
      return true;
    }
    if (!is_output && rest_.starts_with('+') && rest_.substr(1).starts_with(end)) {
      take(1 + end.size());
      return true;
    }
    if (!rest_.starts_with(end)) return false;
    take(end.size());
    if (blocks_take_lines_ && !is_output && rest_.starts_with('\n')) take(1);
    return true;
  }

  void take_begin() { take(rest_.size() > 2 && (rest_[2] == '-' || rest_[2] == '+') ? 3 : 2); }

  void read_comment() {
    const int line = line_;
    take_begin();
    const size_t end = rest_.find("#}");
    if (end == rest_.npos) fault_at(line, "a comment has no end");
    const bool has_sign = end > 0 && (rest_[end - 1] == '-' || rest_[end - 1] == '+');
    take(has_sign ? end - 1 : end);
    take_end("#}");
  }

  // "{% raw %}" up to "{% endraw %}"; false if it is another tag.
  bool read_raw() {
    const int line = line_;
    std::string_view tag = rest_;
    if (!skip_named_tag_begin(tag, "raw")) return false;
    const bool strips = tag.starts_with("-%}");
    if (!strips && !tag.starts_with("%}")) return false;
    take(rest_.size() - tag.size() + (strips ? 3 : 2));
    if (strips) take_blanks();
    for (size_t begin = rest_.find("{%"); begin != rest_.npos; begin = rest_.find("{%", begin + 1)) {
      std::string_view end_tag = rest_.substr(begin);
      if (!skip_named_tag_begin(end_tag, "endraw")) continue;
      if (!end_tag.starts_with("%}") && !end_tag.starts_with("-%}") && !end_tag.starts_with("+%}")) continue;
      give_data(rest_.substr(0, begin), rest_.substr(begin));
      take(rest_.size() - end_tag.size());
      take_end("%}");
      return true;
    }
    if (!rest_.empty()) fault_at(line, "\"raw\" has no end");
    return true;
  }

  // Past "{%- name " at the beginning of `tag`.
  static bool skip_named_tag_begin(std::string_view& tag, std::string_view name) {
    tag.remove_prefix(tag.size() > 2 && (tag[2] == '-' || tag[2] == '+') ? 3 : 2);
    tag = stripped_left(tag);
    if (!tag.starts_with(name)) return false;
    tag = stripped_left(tag.substr(name.size()));
    return true;
  }

  void read_tag(TokenKind begin, TokenKind end, std::string_view end_text) {
    add(begin, "");
    take_begin();
    std::string open_brackets;  // an end within brackets is none
    while (true) {
      if (open_brackets.empty() && take_end(end_text)) break;
      if (rest_.empty()) fault_at(line_, "a tag has no end");
      if (is_python_space(first_character(rest_))) {
        take_blanks();
      } else {
        read_token(open_brackets);
      }
    }
    add(end, "");
  }

  void read_token(std::string& open_brackets) {
    const char c = rest_[0];
    if (is_digit(c)) return read_number();
    if (c == '\'' || c == '"') return read_string();
    if (c == '_' || is_word(first_character(rest_))) return read_name();
    for (const std::string_view sign : signs) {
      if (!rest_.starts_with(sign)) continue;
      balance(sign[0], open_brackets);
      add(TokenKind::sign, std::string(sign));
      take(sign.size());
      return;
    }
    fault_at(line_, "the character {:?} has no meaning here", rest_.substr(0, character_size(c)));
  }

  void balance(char sign, std::string& open) const {
    if (sign == '(') open += ')';
    if (sign == '[') open += ']';
    if (sign == '{') open += '}';
    if (sign != ')' && sign != ']' && sign != '}') return;
    if (open.empty() || open.back() != sign) fault_at(line_, "a {:?} closes nothing", std::string_view(&sign, 1));
    open.pop_back();
  }

  void read_name() {
    size_t end = 0;
    while (end < rest_.size() && is_word(first_character(rest_.substr(end)))) end += character_size(rest_[end]);
    add(TokenKind::name, std::string(rest_.substr(0, end)));
    take(end);
  }

  // Digits with single "_" between them.
  size_t digits_end(size_t from) const {
    size_t end = from;
    while (end < rest_.size() && is_digit(rest_[end])) {
      ++end;
      if (end + 1 < rest_.size() && rest_[end] == '_' && is_digit(rest_[end + 1])) ++end;
    }
    return end;
  }

  void read_number() {
    const size_t whole = digits_end(0);
    size_t end = whole;
    const auto digit_at = [&](size_t i) { return i < rest_.size() && is_digit(rest_[i]); };
    const bool is_member = !tokens_.empty() && tokens_.back().is_sign(".");  // "list.1.2" has no fractions
    if (!is_member && end < rest_.size() && rest_[end] == '.' && digit_at(end + 1)) end = digits_end(end + 1);
    if (!is_member && end < rest_.size() && (rest_[end] == 'e' || rest_[end] == 'E')) {
      const bool has_sign = end + 1 < rest_.size() && (rest_[end + 1] == '+' || rest_[end + 1] == '-');
      const size_t exponent = end + (has_sign ? 2 : 1);
      if (digit_at(exponent)) end = digits_end(exponent);
    }
    const auto follows = end < rest_.size() && (rest_[end] == '_' || is_word(first_character(rest_.substr(end))));
    std::string text(rest_.substr(0, end));
    std::erase(text, '_');
    if (follows || (end == whole && text.size() > 1 && text[0] == '0' && text.find_first_not_of('0') != text.npos)) {
      fault_at(line_, "a number like {:?} is not supported", rest_.substr(0, std::min<size_t>(end + 1, 40)));
    }
    Token token = {.kind = end == whole ? TokenKind::integer : TokenKind::real, .text = text, .line = line_};
    const char* const stop = text.data() + text.size();
    const auto result = end == whole ? std::from_chars(text.data(), stop, token.integer)
                                     : std::from_chars(text.data(), stop, token.real);
    if (result.ec != std::errc()) fault_at(line_, "the number {} is too large or too small", text.substr(0, 40));
    tokens_.push_back(std::move(token));
    take(end);
  }

  void read_string() {
    const char quote = rest_[0];
    size_t end = 1;
    while (end < rest_.size() && rest_[end] != quote) end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) fault_at(line_, "a string has no end");
    const int line = line_;
    try {
      add(TokenKind::string, unescaped(rest_.substr(1, end - 1)));
    } catch (const Fault& found) {
      fault_at(line, "{}", found.what());
    }
    take(end + 1);
  }

  const std::string source_;
  const bool blocks_take_lines_;  // trim_blocks and lstrip_blocks
  std::string_view rest_;
  std::vector<Token> tokens_;
  int line_ = 1;
  bool at_line_start_ = true;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source, Dialect dialect) {
  return Lexer(source, dialect).run();
}

}  // namespace sleb::jinja
