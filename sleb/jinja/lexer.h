// A Jinja template cut into tokens, with blanks around tags treated as the dialect says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/jinja/dialect.h"

namespace sleb::jinja {

enum class TokenKind {
  data,         // text between tags
  block_begin,  // {%
  block_end,
  output_begin,  // {{
  output_end,
  name,
  string,
  integer,
  real,
  sign,  // an operator or a bracket
  end    // of the template
};

struct Token {
  TokenKind kind;
  std::string text;  // of data and strings, what they mean
  int line;
  int64_t integer = 0;
  double real = 0;

  bool is_sign(std::string_view which) const { return kind == TokenKind::sign && text == which; }
  bool is_name(std::string_view which) const { return kind == TokenKind::name && text == which; }
};

// `source` is valid UTF-8. The last token is an `end`. Throws FaultAtLine.
std::vector<Token> tokenize(std::string_view source, Dialect dialect);

}  // namespace sleb::jinja
