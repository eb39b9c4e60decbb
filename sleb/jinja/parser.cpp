#include "sleb/jinja/parser.h"

#include <initializer_list>

#include "sleb/jinja/expression_parser.h"
#include "sleb/jinja/lexer.h"
#include "sleb/jinja/token_stream.h"

namespace sleb::jinja {
namespace {

class Parser {
 public:
  Parser(std::string_view source, Dialect dialect)
      : dialect_(dialect), tokens_(tokenize(source, dialect)), expressions_(tokens_, dialect) {}

  Statements run() {
    Statements all = statements({});
    if (tokens_.current().kind != TokenKind::end) tokens_.fail("the template's end");
    return all;
  }

 private:
  using Kind = Statement::Kind;
  using Names = std::initializer_list<std::string_view>;

  static Statement made(Kind kind, int line) {
    return {.kind = kind,
            .line = line,
            .text = {},
            .target = {},
            .expression = {},
            .condition = {},
            .body = {},
            .branches = {},
            .signature = {},
            .targets = {},
            .values = {}};
  }

  // Up to a tag named in `ends`, whose name is then the current token; or to the template's end.
  Statements statements(Names ends) {
    const TokenStream::Nesting nesting(tokens_);
    Statements all;
    const auto add = [&](Statement statement) {
      all.push_back(std::make_unique<const Statement>(std::move(statement)));
    };
    while (tokens_.current().kind != TokenKind::end) {
      const Token& token = tokens_.next();
      if (token.kind == TokenKind::data) {
        Statement data = made(Kind::data, token.line);
        data.text = token.text;
        add(std::move(data));
      } else if (token.kind == TokenKind::output_begin) {
        Statement output = made(Kind::output, token.line);
        output.expression = expressions_.tuple();
        tokens_.expect(TokenKind::output_end, "\"}}\"");
        add(std::move(output));
      } else {
        for (const std::string_view end : ends) {
          if (tokens_.current().is_name(end)) return all;
        }
        add(statement());
        tokens_.expect(TokenKind::block_end, "\"%}\"");
      }
    }
    return all;
  }

  // The body of a statement, and which of `ends` ended it.
  Statements body(Names ends, std::string_view& end) {
    const int line = tokens_.line();
    tokens_.skip_sign(":");
    tokens_.expect(TokenKind::block_end, "\"%}\"");
    Statements all = statements(ends);
    if (tokens_.current().kind == TokenKind::end) fault_at(line, "the block has no {:?}", *(ends.end() - 1));
    const std::string name = tokens_.next().text;
    for (const std::string_view known : ends) {
      if (known == name) end = known;
    }
    return all;
  }

  Statements body(std::string_view end) {
    std::string_view found;
    return body({end}, found);
  }

  Statement statement() {
    struct Row {
      std::string_view tag;
      Statement (Parser::*read)(int line);
      bool of_chats_only = false;
    };
    constexpr Row rows[] = {
        {"if", &Parser::condition},      {"for", &Parser::loop},
        {"set", &Parser::assignment},    {"macro", &Parser::macro},
        {"call", &Parser::call},         {"filter", &Parser::filter},
        {"with", &Parser::with},         {"generation", &Parser::generation, true},
        {"break", &Parser::leave, true}, {"continue", &Parser::next_round, true},
    };
    const Token& tag = tokens_.current();
    if (tag.kind != TokenKind::name) tokens_.fail("a tag's name");
    for (const Row& row : rows) {
      if (row.tag != tag.text || (row.of_chats_only && dialect_ != Dialect::chat)) continue;
      tokens_.next();
      return (this->*row.read)(tag.line);
    }
    fault_at(tag.line, "the tag {:?} is not supported, or stands where it ends nothing", tag.text);
  }

  Statement condition(int line) {
    Statement node = made(Kind::condition, line);
    for (std::string_view end = "if"; end != "endif";) {
      ExpressionPtr test = end == "else" ? nullptr : expressions_.tuple_without_condition();
      Statements then = test ? body({"elif", "else", "endif"}, end) : body({"endif"}, end);
      node.branches.push_back({std::move(test), std::move(then)});
    }
    return node;
  }

  Statement loop(int line) {
    Statement node = made(Kind::loop, line);
    node.target = expressions_.target(false);
    tokens_.expect_name("in");
    node.expression = expressions_.tuple_without_condition();
    if (tokens_.skip_name("if")) node.condition = expressions_.expression();
    if (tokens_.current().is_name("recursive")) fault_at(line, "\"recursive\" is not supported");
    ++loops_;
    std::string_view end;
    node.body = body({"else", "endfor"}, end);
    --loops_;
    if (end == "else") node.branches.push_back({nullptr, body("endfor")});
    return node;
  }

  Statement assignment(int line) {
    Statement node = made(Kind::assign, line);
    node.target = expressions_.target(true);
    if (tokens_.skip_sign("=")) {
      node.expression = expressions_.tuple();
      return node;
    }
    node.kind = Kind::assign_body;
    node.expression = expressions_.filters(nullptr);
    node.body = body("endset");
    return node;
  }

  Signature signature() {
    Signature signature;
    tokens_.expect_sign("(");
    while (!tokens_.current().is_sign(")")) {
      if (!signature.parameters.empty()) tokens_.expect_sign(",");
      const int line = tokens_.line();
      signature.parameters.push_back(tokens_.expect_any_name());
      if (tokens_.skip_sign("=")) {
        signature.defaults.push_back(expressions_.expression());
      } else if (!signature.defaults.empty()) {
        fault_at(line, "a parameter without a default stands behind one that has one");
      }
    }
    tokens_.expect_sign(")");
    return signature;
  }

  Statement macro(int line) {
    Statement node = made(Kind::macro, line);
    node.text = tokens_.expect_any_name();
    node.signature = signature();
    node.body = function_body("endmacro");
    return node;
  }

  Statement call(int line) {
    Statement node = made(Kind::call, line);
    if (tokens_.current().is_sign("(")) node.signature = signature();
    node.expression = expressions_.expression();
    if (node.expression->kind != Expression::Kind::call) fault_at(line, "\"call\" needs a call");
    node.body = function_body("endcall");
    return node;
  }

  Statement filter(int line) {
    Statement node = made(Kind::filter, line);
    node.expression = expressions_.filters(expressions_.named_filter(nullptr));
    node.body = body("endfilter");
    return node;
  }

  Statement with(int line) {
    Statement node = made(Kind::with, line);
    while (tokens_.current().kind != TokenKind::block_end) {
      if (!node.targets.empty()) tokens_.expect_sign(",");
      node.targets.push_back(expressions_.target(false));
      tokens_.expect_sign("=");
      node.values.push_back(expressions_.expression());
    }
    node.body = body("endwith");
    return node;
  }

  Statement generation(int line) {
    Statement node = made(Kind::scope, line);
    node.body = function_body("endgeneration");
    return node;
  }

  // Loops around a function are not those that "break" in it could leave.
  Statements function_body(std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    Statements all = body(end);
    loops_ = loops;
    return all;
  }

  Statement leave(int line) { return in_loop(Kind::leave, line, "break"); }
  Statement next_round(int line) { return in_loop(Kind::next_round, line, "continue"); }
  Statement in_loop(Kind kind, int line, std::string_view tag) const {
    if (loops_ == 0) fault_at(line, "{:?} stands outside of a loop", tag);
    return made(kind, line);
  }

  const Dialect dialect_;
  TokenStream tokens_;
  ExpressionParser expressions_;
  int loops_ = 0;  // around the current statement
};

}  // namespace

Statements parse(std::string_view source, Dialect dialect) {
  return Parser(source, dialect).run();
}

}  // namespace sleb::jinja
