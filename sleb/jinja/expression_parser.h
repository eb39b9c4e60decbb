// The expressions of a template: the grammar of Jinja 3.1 (docs, "Template Designer Documentation", Expressions).
#pragma once

#include "sleb/jinja/dialect.h"
#include "sleb/jinja/syntax.h"
#include "sleb/jinja/token_stream.h"

namespace sleb::jinja {

class ExpressionParser {
 public:
  ExpressionParser(TokenStream& tokens, Dialect dialect) : tokens_(tokens), dialect_(dialect) {}

  ExpressionPtr expression();
  ExpressionPtr without_condition();  // in which "if" ends the expression
  // One expression, or several with "," between them, which make a tuple.
  ExpressionPtr tuple();
  ExpressionPtr tuple_without_condition();
  // What can be assigned to: names, tuples of them, and on request a namespace's attribute.
  ExpressionPtr target(bool with_namespace);
  // "| name(arguments)", any number of times, applied to `input`; null for "what comes in".
  ExpressionPtr filters(ExpressionPtr input);
  ExpressionPtr named_filter(ExpressionPtr input);  // "name(arguments)"
  CallArguments call_arguments();

 private:
  using Rule = ExpressionPtr (ExpressionParser::*)();
  using Kind = Expression::Kind;

  // Grammar, the weakest binding first.
  ExpressionPtr either();
  ExpressionPtr both();
  ExpressionPtr negation();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr filtered();
  ExpressionPtr unary();
  ExpressionPtr primary();
  ExpressionPtr postfix(ExpressionPtr node);
  ExpressionPtr subscript(ExpressionPtr node);
  ExpressionPtr subscribed(ExpressionPtr node, int line);
  ExpressionPtr test(ExpressionPtr node);
  ExpressionPtr test_argument();
  ExpressionPtr list();
  ExpressionPtr dict();
  ExpressionPtr parenthesized();

  ExpressionPtr tuple_of(Rule member);
  ExpressionPtr left_to_right(Rule operand, std::initializer_list<std::string_view> signs);
  bool ends_tuple() const;

  TokenStream& tokens_;
  const Dialect dialect_;
};

}  // namespace sleb::jinja
