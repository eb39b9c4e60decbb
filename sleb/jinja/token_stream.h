// The tokens of a template on their way through the parser.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sleb/jinja/fault.h"
#include "sleb/jinja/lexer.h"

namespace sleb::jinja {

// Of how many rules the parser may be within at once.
constexpr int deepest_nesting = 120;

class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& current() const { return tokens_[place_]; }
  const Token& look() const { return tokens_[std::min(place_ + 1, tokens_.size() - 1)]; }
  int line() const { return current().line; }

  const Token& next() {
    const Token& token = tokens_[place_];
    if (place_ + 1 < tokens_.size()) ++place_;
    return token;
  }
  bool skip_sign(std::string_view sign) { return current().is_sign(sign) && (next(), true); }
  bool skip_name(std::string_view name) { return current().is_name(name) && (next(), true); }

  void expect_sign(std::string_view sign) {
    if (!skip_sign(sign)) fail(fmt::format("{:?}", sign));
  }
  void expect_name(std::string_view name) {
    if (!skip_name(name)) fail(fmt::format("{:?}", name));
  }
  void expect(TokenKind kind, std::string_view what) {
    if (current().kind != kind) fail(what);
    next();
  }
  std::string expect_any_name() {
    if (current().kind != TokenKind::name) fail("a name");
    return next().text;
  }

  [[noreturn]] void fail(std::string_view expected) const {
    fault_at(line(), "expected {}, not {}", expected, described(current()));
  }

  // Counts rules of the grammar within each other.
  class Nesting {
   public:
    explicit Nesting(TokenStream& stream) : stream_(stream) {
      if (++stream_.nesting_ > deepest_nesting)
        fault_at(stream.line(), "nested deeper than {} levels", deepest_nesting);
    }
    ~Nesting() { --stream_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    TokenStream& stream_;
  };

 private:
  static std::string described(const Token& token);

  std::vector<Token> tokens_;
  size_t place_ = 0;
  int nesting_ = 0;
};

}  // namespace sleb::jinja
