#include "sleb/jinja/token_stream.h"

namespace sleb::jinja {

std::string TokenStream::described(const Token& token) {
  switch (token.kind) {
    case TokenKind::data:
      return "text";
    case TokenKind::block_begin:
      return "\"{%\"";
    case TokenKind::block_end:
      return "\"%}\"";
    case TokenKind::output_begin:
      return "\"{{\"";
    case TokenKind::output_end:
      return "\"}}\"";
    case TokenKind::string:
      return "a string";
    case TokenKind::end:
      return "the template's end";
    default:
      return fmt::format("{:?}", token.text);
  }
}

}  // namespace sleb::jinja
