#include "sleb/eval/tasks/template/expression.h"

#include <algorithm>

#include "sleb/base/error.h"
#include "sleb/eval/tasks/template/functions.h"

namespace sleb {
namespace {

// The place of element `index` of a list of `size`, where negative indices count from the end.
int64_t from_start(int64_t index, int64_t size) {
  return index < 0 ? index + size : index;
}

Json element(const Json& subject, const Json& index, const std::string& place) {
  if (index.is_string()) {
    const auto& name = index.get_ref<const std::string&>();
    if (!subject.is_object() || !subject.contains(name)) bad_input("{}: lacks the field {:?}", place, name);
    return subject[name];
  }
  const auto size = static_cast<int64_t>(list_of(subject, place).size());
  const int64_t wanted = integer_of(index, place);
  const int64_t position = wanted < -size ? -1 : from_start(wanted, size);
  if (position < 0 || position >= size) {
    bad_input("{}: a list of {} has no element {}", place, size, wanted);
  }
  return subject[static_cast<size_t>(position)];
}

// As in Python, bounds beyond the list are those of the list.
Json slice(const Json& subject, std::optional<int64_t> from, std::optional<int64_t> to, const std::string& place) {
  const auto size = static_cast<int64_t>(list_of(subject, place).size());
  const auto bound = [&](int64_t value) {
    return std::clamp(from_start(std::max(value, -size), size), int64_t{0}, size);
  };
  const int64_t begin = bound(from.value_or(0)), end = bound(to.value_or(size));
  Json result = Json::array();
  for (int64_t i = begin; i < end; ++i) result.push_back(subject[static_cast<size_t>(i)]);
  return result;
}

Json sum(const Json& left, const Json& right, const std::string& place) {
  if (left.is_string() && right.is_string()) return left.get<std::string>() + right.get<std::string>();
  if (left.is_array() && right.is_array()) {
    Json result = left;
    result.insert(result.end(), right.begin(), right.end());
    return result;
  }
  if (!left.is_number() || !right.is_number()) {
    bad_input("{}: {} and {} can't be added", place, kind_of(left), kind_of(right));
  }
  int64_t result = 0;
  if (__builtin_add_overflow(integer_of(left, place), integer_of(right, place), &result)) {
    bad_input("{}: the sum is too large", place);
  }
  return result;
}

Json difference(const Json& left, const Json& right, const std::string& place) {
  int64_t result = 0;
  if (__builtin_sub_overflow(integer_of(left, place), integer_of(right, place), &result)) {
    bad_input("{}: the difference is too large", place);
  }
  return result;
}

}  // namespace

Json Expression::evaluate(const Json& row, const std::string& place) const {
  if (kind == Kind::literal) return literal;
  if (kind == Kind::field) return element(row, name, place);
  Json values = Json::array();
  for (const Expression& operand : operands) values.push_back(operand.evaluate(row, place));
  const auto& all = values.get_ref<const Json::array_t&>();
  switch (kind) {
    case Kind::list:
      return values;
    case Kind::member:
      return element(all[0], name, place);
    case Kind::element:
      return element(all[0], all[1], place);
    case Kind::slice:
      return slice(all[0], from, to, place);
    case Kind::call:
      return function(all[0], std::span(all).subspan(1), place);
    case Kind::call_each: {
      Json result = Json::array();
      for (const Json& value : list_of(all[0], place)) {
        result.push_back(function(value, std::span(all).subspan(1), place));
      }
      return result;
    }
    case Kind::sum:
      return sum(all[0], all[1], place);
    default:
      return difference(all[0], all[1], place);
  }
}

}  // namespace sleb
