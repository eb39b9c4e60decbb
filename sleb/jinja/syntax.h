// A template as a tree.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sleb/jinja/value.h"

namespace sleb::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;
using Expressions = std::vector<ExpressionPtr>;  // a member that is left out is null

struct CallArguments {
  Expressions positional;
  std::vector<std::pair<std::string, ExpressionPtr>> keywords;
  ExpressionPtr more_positional, more_keywords;  // behind "*" and "**"; may be null
};

struct Expression {
  enum class Kind {
    constant,               // value
    name,                   // name
    list,                   // operands
    tuple,                  // operands
    dict,                   // operands: key, value, key, value
    attribute,              // operands[0].name
    item,                   // operands[0][operands[1]]
    slice,                  // operands[0][operands[1]:operands[2]:operands[3]]
    call,                   // operands[0](arguments)
    filter,                 // operands[0] | name(arguments)
    test,                   // operands[0] is name(arguments)
    unary,                  // name: "-", "+", "not"
    binary,                 // name: "+", "-", "*", "/", "//", "%", "**", "and", "or"
    concat,                 // operands joined by "~"
    comparison,             // operands[0] names[0] operands[1] names[1] operands[2]
    conditional,            // operands[0] if operands[1] else operands[2]
    attribute_of_namespace  // a target: name.names[0]
  };
  Kind kind;
  int line;
  std::string name;
  Value value;
  Expressions operands;  // may be null in a slice; operands[0] of a filter is null where a block's text comes in
  std::vector<std::string> names;
  CallArguments arguments;
  int depth = 1;  // levels of expressions within this one
};

struct Statement;
using Statements = std::vector<std::unique_ptr<const Statement>>;

// Of a macro, or what a "call" block hands to one.
struct Signature {
  std::vector<std::string> parameters;
  Expressions defaults;  // of the last parameters
};

struct Statement {
  enum class Kind {
    data,         // text
    output,       // expression
    condition,    // branches; those without a condition are "else"
    loop,         // for target in expression if condition: body, else: branches[0]
    assign,       // target = expression
    assign_body,  // target = body through the filter `expression`, if there is one
    macro,        // text: its name; signature; body
    call,         // expression: the call that gets `body` as its caller, with `signature`
    filter,       // body through the filter `expression`
    with,         // targets = values, within body
    scope,        // body with names of its own: "generation"
    leave,        // "break"
    next_round    // "continue"
  };
  struct Branch {
    ExpressionPtr condition;
    Statements body;
  };
  Kind kind;
  int line;
  std::string text;
  ExpressionPtr target, expression, condition;
  Statements body;
  std::vector<Branch> branches;
  Signature signature;
  Expressions targets, values;
};

}  // namespace sleb::jinja
