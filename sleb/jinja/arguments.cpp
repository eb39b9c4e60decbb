// How functions of the language's own get their arguments.
#include <algorithm>

#include "sleb/jinja/library.h"

namespace sleb::jinja {

std::vector<std::optional<Value>> bind(std::string_view what, const Call& call,
                                       std::initializer_list<std::string_view> names, size_t needed) {
  if (call.positional.size() > names.size()) {
    fault("{:?} takes {} arguments, not {}", what, names.size(), call.positional.size());
  }
  std::vector<std::optional<Value>> bound(call.positional.begin(), call.positional.end());
  bound.resize(names.size());
  for (const auto& [name, value] : call.keywords) {
    const auto* const place = std::ranges::find(names, name);
    if (place == names.end()) fault("{:?} has no parameter {:?}", what, name);
    std::optional<Value>& argument = bound[static_cast<size_t>(place - names.begin())];
    if (argument) fault("{:?} gets {:?} twice", what, name);
    argument = value;
  }
  for (size_t i = 0; i < needed; ++i) {
    if (!bound[i]) fault("{:?} needs {:?}", what, names.begin()[i]);
  }
  return bound;
}

int64_t integer_argument(const std::optional<Value>& value, int64_t otherwise) {
  if (!value) return otherwise;
  if (value->is_undefined()) fault("{}", value->complaint());
  if (!value->is(Value::Kind::integer) && !value->is(Value::Kind::boolean)) {
    fault("a whole number was expected, not a {}", type_name(*value));
  }
  return value->integer();
}

bool truth_argument(const std::optional<Value>& value, bool otherwise) {
  return value ? is_true(*value) : otherwise;
}

std::optional<std::string> text_argument(const std::optional<Value>& value) {
  if (!value || value->is_none()) return {};
  if (value->is_undefined()) fault("{}", value->complaint());
  if (!value->is_text()) fault("a string was expected, not a {}", type_name(*value));
  return value->text();
}

}  // namespace sleb::jinja
