#include "sleb/corpus/tables/arrow_values.h"

#include <arrow/array.h>
#include <arrow/util/float16.h>

#include <algorithm>

namespace sleb {
namespace {

using arrow::Type;

template <typename ArrowArray>
std::optional<std::string_view> view_at(const arrow::Array& array, int64_t row) {
  return static_cast<const ArrowArray&>(array).GetView(row);
}

template <typename ArrowArray>
Json number_at(const arrow::Array& array, int64_t row) {
  return static_cast<const ArrowArray&>(array).Value(row);
}

template <typename ListArray>
Json list_at(const arrow::Array& array, int64_t row, int64_t& budget) {
  const auto& list = static_cast<const ListArray&>(array);
  Json values = Json::array();
  for (int64_t i = 0; i < list.value_length(row) && budget >= 0; ++i) {
    values.push_back(json_at(*list.values(), list.value_offset(row) + i, budget));
  }
  return values;
}

Json struct_at(const arrow::Array& array, int64_t row, int64_t& budget) {
  const auto& fields = static_cast<const arrow::StructArray&>(array);
  Json members = Json::object();
  for (int i = 0; i < fields.num_fields(); ++i) {
    const std::string& name = fields.struct_type()->field(i)->name();
    budget -= values_worth(name);
    members[name] = json_at(*fields.field(i), row, budget);
  }
  return members;
}

Json dictionary_at(const arrow::Array& array, int64_t row, int64_t& budget) {
  const auto& encoded = static_cast<const arrow::DictionaryArray&>(array);
  return json_at(*encoded.dictionary(), encoded.GetValueIndex(row), budget);
}

}  // namespace

bool is_text(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::NA:
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::STRING_VIEW:
      return true;
    case Type::DICTIONARY:
      return is_text(*static_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      return false;
  }
}

std::optional<std::string_view> text_at(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return {};
  switch (array.type_id()) {
    case Type::STRING:
      return view_at<arrow::StringArray>(array, row);
    case Type::LARGE_STRING:
      return view_at<arrow::LargeStringArray>(array, row);
    case Type::STRING_VIEW:
      return view_at<arrow::StringViewArray>(array, row);
    case Type::DICTIONARY: {
      const auto& encoded = static_cast<const arrow::DictionaryArray&>(array);
      return text_at(*encoded.dictionary(), encoded.GetValueIndex(row));
    }
    default:
      return {};
  }
}

bool has_json_form(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::NA:
    case Type::BOOL:
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
    case Type::UINT8:
    case Type::UINT16:
    case Type::UINT32:
    case Type::UINT64:
    case Type::HALF_FLOAT:
    case Type::FLOAT:
    case Type::DOUBLE:
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::STRING_VIEW:
      return true;
    case Type::DICTIONARY:
      return has_json_form(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::FIXED_SIZE_LIST:
    case Type::STRUCT:
      return std::ranges::all_of(type.fields(), [](const auto& field) { return has_json_form(*field->type()); });
    default:
      return false;
  }
}

Json json_at(const arrow::Array& array, int64_t row, int64_t& budget) {
  if (--budget < 0 || array.IsNull(row)) return nullptr;
  switch (array.type_id()) {
    case Type::BOOL:
      return number_at<arrow::BooleanArray>(array, row);
    case Type::INT8:
      return number_at<arrow::Int8Array>(array, row);
    case Type::INT16:
      return number_at<arrow::Int16Array>(array, row);
    case Type::INT32:
      return number_at<arrow::Int32Array>(array, row);
    case Type::INT64:
      return number_at<arrow::Int64Array>(array, row);
    case Type::UINT8:
      return number_at<arrow::UInt8Array>(array, row);
    case Type::UINT16:
      return number_at<arrow::UInt16Array>(array, row);
    case Type::UINT32:
      return number_at<arrow::UInt32Array>(array, row);
    case Type::UINT64:
      return number_at<arrow::UInt64Array>(array, row);
    case Type::HALF_FLOAT:
      return arrow::util::Float16::FromBits(static_cast<const arrow::HalfFloatArray&>(array).Value(row)).ToFloat();
    case Type::FLOAT:
      return number_at<arrow::FloatArray>(array, row);
    case Type::DOUBLE:
      return number_at<arrow::DoubleArray>(array, row);
    case Type::LIST:
      return list_at<arrow::ListArray>(array, row, budget);
    case Type::LARGE_LIST:
      return list_at<arrow::LargeListArray>(array, row, budget);
    case Type::FIXED_SIZE_LIST:
      return list_at<arrow::FixedSizeListArray>(array, row, budget);
    case Type::STRUCT:
      return struct_at(array, row, budget);
    case Type::DICTIONARY:
      return dictionary_at(array, row, budget);
    default: {
      const auto text = text_at(array, row);
      if (text) budget -= values_worth(*text);
      return text && budget >= 0 ? Json(std::string(*text)) : Json();
    }
  }
}

}  // namespace sleb
