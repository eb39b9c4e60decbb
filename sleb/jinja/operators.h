// What the signs of expressions do, as Python does it. Everything throws Fault.
#pragma once

#include <optional>
#include <string_view>

#include "sleb/jinja/value.h"

namespace sleb::jinja {

Value arithmetic(Budget& budget, std::string_view sign, const Value& left, const Value& right);
Value negated(std::string_view sign, const Value& value);                                    // "-" and "+"
bool compare(Budget& budget, std::string_view sign, const Value& left, const Value& right);  // "in" and "not in" too
bool contains(Budget& budget, const Value& container, const Value& item);

// value[begin:end:step]; parts left out are none.
Value slice(Budget& budget, const Value& value, const Value& begin, const Value& end, const Value& step);

}  // namespace sleb::jinja
