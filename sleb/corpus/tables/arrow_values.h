// Values of Arrow arrays as text and as JSON.
#pragma once

#include <arrow/array/array_base.h>
#include <arrow/type.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "sleb/base/json.h"

namespace sleb {

// Strings of any of Arrow's layouts, plain or through a dictionary, and the type of a column that has nulls alone.
bool is_text(const arrow::DataType& type);

// Row `row` of an array of text; nothing for a null. Valid as long as the array.
std::optional<std::string_view> text_at(const arrow::Array& array, int64_t row);

// Text, whole numbers, floats, booleans, nulls; lists and structs of them.
bool has_json_form(const arrow::DataType& type);

// What text counts for where values are counted.
inline int64_t values_worth(std::string_view text) {
  return static_cast<int64_t>(text.size() / 16);
}

// Row `row` of an array whose type has such a form. Every value and every 16 bytes of text lower `budget`, as a
// dictionary's texts take memory each time; below zero, nothing but null is made.
Json json_at(const arrow::Array& array, int64_t row, int64_t& budget);

}  // namespace sleb
