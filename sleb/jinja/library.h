// The filters, tests, methods and functions that templates may use.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sleb/jinja/interpreter.h"

namespace sleb::jinja {

bool is_filter(std::string_view name, Dialect dialect);

// These throw Fault, for one that is not known by its name.
Value apply_filter(Interpreter& interpreter, const std::string& name, const Value& input, const Call& call);
bool apply_test(Interpreter& interpreter, const std::string& name, const Value& input, const Call& call);
Value call_method(Interpreter& interpreter, const Method& method, const Call& call);

// Whether Python's type of `value` has an attribute of that name: "strip" of a string.
enum class MethodKind { none, allowed, changes_its_object };
MethodKind method_kind(const Value& value, std::string_view name);

// "range", "namespace", ...; nothing for other names, and for those that only chats have. Throws Fault for one that
// Jinja knows and this library does not.
std::optional<Value> builtin_function(std::string_view name, Dialect dialect);

// The last one's arguments by name. `names` are those of Python's signature; arguments that are not given are nothing.
// Throws Fault for too many, for unknown names, and if one of the first `needed` is missing.
std::vector<std::optional<Value>> bind(std::string_view what, const Call& call,
                                       std::initializer_list<std::string_view> names, size_t needed);

// Arguments of the type that is wanted; throw Fault. `otherwise` where not given.
int64_t integer_argument(const std::optional<Value>& value, int64_t otherwise);
bool truth_argument(const std::optional<Value>& value, bool otherwise);
std::optional<std::string> text_argument(const std::optional<Value>& value);  // nothing for none too

}  // namespace sleb::jinja
