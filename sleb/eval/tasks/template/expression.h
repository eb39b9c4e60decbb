// Expressions over the fields of a row, a part of Jinja's: what stands between {{ and }} in a task's templates.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/json.h"

namespace sleb {

// What a method or a filter does with its subject. `place` begins error messages.
using TemplateFunction =
    std::function<Json(const Json& subject, std::span<const Json> arguments, const std::string& place)>;

struct Expression {
  enum class Kind {
    literal,     // 'text', 12
    field,       // name: a field of the row
    list,        // [operand, ...]
    member,      // operand.name
    element,     // operand[index]
    slice,       // operand[from:to]
    call,        // operand.name(...), operand|name(...): the operands after the first are the arguments
    call_each,   // operand|map('name', ...)
    sum,         // operand + operand
    difference,  // operand - operand
  };

  Kind kind = Kind::literal;
  Json literal = {};
  std::string name = {};
  std::vector<Expression> operands = {};
  std::optional<int64_t> from = {}, to = {};
  TemplateFunction function = {};

  // Throws Error(bad_input), beginning with `place`, for a field that the row lacks and values of the wrong kind.
  Json evaluate(const Json& row, const std::string& place) const;
};

// The expression at the start of `text`, which is moved behind it. Throws Error(bad_input), beginning with `place`, for
// what is no expression, for unknown methods and filters (naming the known ones), and for malformed patterns.
Expression parse_expression(std::string_view& text, const std::string& place);

}  // namespace sleb
