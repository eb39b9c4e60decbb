// Filters that make texts and numbers. Each throws Fault.
#pragma once

#include "sleb/jinja/interpreter.h"

namespace sleb::jinja {

using Filter = Value (*)(Interpreter& interpreter, const Value& input, const Call& call);

Value filter_trim(Interpreter& interpreter, const Value& input, const Call& call);
Value filter_upper(Interpreter& interpreter, const Value& input, const Call& call);
Value filter_lower(Interpreter& interpreter, const Value& input, const Call& call);
Value filter_capitalize(Interpreter& interpreter, const Value& input, const Call& call);
Value filter_title(Interpreter& interpreter, const Value& input, const Call& call);
Value filter_string(Interpreter& interpreter, const Value& input, const Call& call);
Value filter_safe(Interpreter& interpreter, const Value& input, const Call& call);
Value filter_escape(Interpreter& interpreter, const Value& input, const Call& call);
Value filter_replace(Interpreter& interpreter, const Value& input, const Call& call);
Value filter_indent(Interpreter& interpreter, const Value& input, const Call& call);
Value filter_tojson(Interpreter& interpreter, const Value& input, const Call& call);
Value filter_int(Interpreter& interpreter, const Value& input, const Call& call);
Value filter_float(Interpreter& interpreter, const Value& input, const Call& call);
Value filter_abs(Interpreter& interpreter, const Value& input, const Call& call);
Value filter_round(Interpreter& interpreter, const Value& input, const Call& call);

Value filter_regex_replace(Interpreter& interpreter, const Value& input, const Call& call);

}  // namespace sleb::jinja
