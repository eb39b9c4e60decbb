// The methods and filters of templates, by their names in Jinja and Python.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "sleb/eval/tasks/template/expression.h"

namespace sleb {

enum class FunctionForm { method, filter };  // x.name(), x|name

// The function of that name, which takes that many arguments. `literals`: its arguments as far as they are known before
// any row is; null for the others. Throws Error(bad_input), beginning with `place`.
TemplateFunction find_function(FunctionForm form, std::string_view name, std::span<const Json> literals,
                               const std::string& place);

// "text", "a number", "a list", ...: for messages.
std::string_view kind_of(const Json& value);

// Throw Error(bad_input) if the value is of another kind.
const std::string& text_of(const Json& value, const std::string& place);
const Json& list_of(const Json& value, const std::string& place);
int64_t integer_of(const Json& value, const std::string& place);

}  // namespace sleb
