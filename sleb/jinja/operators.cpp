#include "sleb/jinja/operators.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "sleb/base/utf8.h"
#include "sleb/jinja/python_text.h"

namespace sleb::jinja {
namespace {

using Kind = Value::Kind;

[[noreturn]] void too_large() {
  fault("a number is too large");
}

void check_defined(const Value& value) {
  if (value.is_undefined()) fault("{}", value.complaint());
}

int64_t floor_quotient(int64_t a, int64_t b) {
  if (a == std::numeric_limits<int64_t>::min() && b == -1) too_large();
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

int64_t product(int64_t a, int64_t b) {
  int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) too_large();
  return result;
}

int64_t power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if (exponent % 2 == 1) result = product(result, base);
    exponent /= 2;
    if (exponent > 0) base = product(base, base);
  }
  return result;
}

Value whole_arithmetic(char sign, bool twice, int64_t a, int64_t b) {
  int64_t result = 0;
  const bool divides = sign == '/' || sign == '%';
  if (divides && b == 0) fault("a division by zero");
  switch (sign) {
    case '+':
      if (__builtin_add_overflow(a, b, &result)) too_large();
      return Value(result);
    case '-':
      if (__builtin_sub_overflow(a, b, &result)) too_large();
      return Value(result);
    case '*':
      return Value(twice ? power(a, b) : product(a, b));
    case '/':
      return twice ? Value(floor_quotient(a, b)) : Value(static_cast<double>(a) / static_cast<double>(b));
    default:
      return b == -1 ? Value(int64_t{0}) : Value(a - floor_quotient(a, b) * b);
  }
}

Value real_arithmetic(char sign, bool twice, double a, double b) {
  const bool divides = sign == '/' || sign == '%';
  if (divides && b == 0) fault("a division by zero");
  const auto remainder = [&] {
    const double rest = std::fmod(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  };
  switch (sign) {
    case '+':
      return Value(a + b);
    case '-':
      return Value(a - b);
    case '*': {
      if (!twice) return Value(a * b);
      if (a == 0 && b < 0) fault("a division by zero");
      const double result = std::pow(a, b);
      if (std::isnan(result) && !std::isnan(a) && !std::isnan(b)) fault("a root of a negative number");
      return Value(result);
    }
    case '/':
      return Value(twice ? std::floor((a - remainder()) / b + 0.5) : a / b);
    default:
      return Value(remainder());
  }
}

Value repeated(Budget& budget, const Value& value, int64_t count) {
  count = std::max<int64_t>(count, 0);
  const bool is_text = value.is_text();
  const size_t size = is_text ? value.text().size() : value.sequence().items.size() * sizeof(Value);
  budget.spend(size == 0 ? 0 : product(static_cast<int64_t>(size), count));
  if (size == 0) count = 0;
  if (is_text) {
    std::string text;
    for (; count > 0; --count) text += value.text();
    return Value(std::move(text), value.is_markup());
  }
  Values items;
  for (; count > 0; --count) {
    items.insert(items.end(), value.sequence().items.begin(), value.sequence().items.end());
  }
  return make_list(budget, std::move(items), value.sequence().type);
}

bool is_repeatable(const Value& value) {
  return value.is_text() || (value.is(Kind::sequence) && value.sequence().type != Sequence::Type::view);
}

Value added(Budget& budget, const Value& left, const Value& right) {
  if (left.is_text() && right.is_text()) {
    const bool is_markup = left.is_markup() || right.is_markup();
    const auto part = [&](const Value& value) {
      return is_markup && !value.is_markup() ? html_escaped(value.text()) : value.text();
    };
    std::string text = part(left) + part(right);
    budget.spend(static_cast<int64_t>(text.size()));
    return Value(std::move(text), is_markup);
  }
  const auto is_list = [](const Value& value) {
    return value.is(Kind::sequence) && value.sequence().type != Sequence::Type::view;
  };
  if (is_list(left) && is_list(right) && left.sequence().type == right.sequence().type) {
    budget.spend_items(left.sequence().items.size());
    Values items = left.sequence().items;
    items.insert(items.end(), right.sequence().items.begin(), right.sequence().items.end());
    return make_list(budget, std::move(items), left.sequence().type);
  }
  fault("a {} and a {} can't be added", type_name(left), type_name(right));
}

// The places that Python's slice.indices gives for `size` items.
struct Places {
  int64_t begin, end, step;
};
Places places(int64_t size, const Value& begin, const Value& end, const Value& step) {
  Places found{.begin = 0, .end = size, .step = step.is_none() ? 1 : step.integer()};
  if (found.step == 0) fault("the step of a slice is zero");
  const int64_t least = found.step < 0 ? -1 : 0, most = found.step < 0 ? size - 1 : size;
  const auto place = [&](const Value& value, int64_t otherwise) {
    if (value.is_none()) return otherwise;
    const int64_t index = value.integer();
    if (index >= 0) return std::min(index, most);
    return index < -size ? least : std::max(index + size, least);
  };
  found.begin = place(begin, found.step < 0 ? most : least);
  found.end = place(end, found.step < 0 ? least : most);
  return found;
}

template <typename Take>
void for_places(const Places& places, const Take& take) {
  int64_t i = places.begin;
  while (places.step > 0 ? i < places.end : i > places.end) {
    take(static_cast<size_t>(i));
    if (__builtin_add_overflow(i, places.step, &i)) return;
  }
}

Value text_slice(Budget& budget, const Value& value, const Places& places) {
  const std::string& text = value.text();
  if (places.step != 1) {
    budget.spend_items(text.size());
    const std::vector<std::string_view> characters = characters_of(text);
    std::string out;
    for_places(places, [&](size_t i) { out += characters[i]; });
    return Value(std::move(out), value.is_markup());
  }
  if (places.begin >= places.end) return Value(std::string(), value.is_markup());
  size_t begin = 0, end = 0, bytes = 0;
  for (int64_t i = 0; i <= places.end && bytes <= text.size(); ++i) {
    if (i == places.begin) begin = bytes;
    if (i == places.end) end = bytes;
    if (bytes == text.size()) break;
    bytes += character_size(text[bytes]);
  }
  return Value(text.substr(begin, end - begin), value.is_markup());
}

}  // namespace

Value arithmetic(Budget& budget, std::string_view sign, const Value& left, const Value& right) {
  check_defined(left);
  check_defined(right);
  const bool twice = sign.size() == 2;
  if (left.is_number() && right.is_number()) {
    const bool whole = !left.is(Kind::real) && !right.is(Kind::real);
    const bool is_fraction = sign == "**" && whole && right.integer() < 0;
    return whole && !is_fraction ? whole_arithmetic(sign[0], twice, left.integer(), right.integer())
                                 : real_arithmetic(sign[0], twice, left.number(), right.number());
  }
  if (sign == "+") return added(budget, left, right);
  const auto is_whole = [](const Value& value) { return value.is(Kind::integer) || value.is(Kind::boolean); };
  if (sign == "*" && is_repeatable(left) && is_whole(right)) return repeated(budget, left, right.integer());
  if (sign == "*" && is_repeatable(right) && is_whole(left)) return repeated(budget, right, left.integer());
  if (sign == "%" && left.is_text()) fault("formatting by \"%\" is not supported");
  fault("{:?} between a {} and a {} has no meaning", sign, type_name(left), type_name(right));
}

Value negated(std::string_view sign, const Value& value) {
  check_defined(value);
  if (!value.is_number()) fault("{:?} before a {} has no meaning", sign, type_name(value));
  if (value.is(Kind::real)) return Value(sign == "-" ? -value.number() : value.number());
  return sign == "-" ? whole_arithmetic('-', false, 0, value.integer()) : Value(value.integer());
}

bool contains(Budget& budget, const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::text:
      check_defined(item);
      if (!item.is_text()) fault("a {} can't be in a string", type_name(item));
      budget.spend(static_cast<int64_t>(container.text().size()));
      return container.text().find(item.text()) != std::string::npos;
    case Kind::dict:
      return container.dict().find(budget, item) != nullptr;
    case Kind::sequence:
      return std::ranges::any_of(container.sequence().items,
                                 [&](const Value& member) { return equal(budget, member, item); });
    case Kind::generator: {
      Generator& generator = container.generator();
      while (generator.given < generator.items.size()) {
        if (equal(budget, generator.items[generator.given++], item)) return true;
      }
      return false;
    }
    case Kind::undefined:
      return false;
    default:
      fault("nothing can be in a {}", type_name(container));
  }
}

bool compare(Budget& budget, std::string_view sign, const Value& left, const Value& right) {
  if (sign == "==") return equal(budget, left, right);
  if (sign == "!=") return !equal(budget, left, right);
  if (sign == "in") return contains(budget, right, left);
  if (sign == "not in") return !contains(budget, right, left);
  const auto is_nan = [](const Value& value) { return value.is(Kind::real) && std::isnan(value.number()); };
  if (is_nan(left) || is_nan(right)) return less(budget, left, right);
  if (sign == "<") return less(budget, left, right);
  if (sign == ">") return less(budget, right, left);
  if (sign == "<=") return !less(budget, right, left);
  return !less(budget, left, right);
}

Value slice(Budget& budget, const Value& value, const Value& begin, const Value& end, const Value& step) {
  check_defined(value);
  for (const Value* part : {&begin, &end, &step}) {
    const bool is_place = part->is_none() || part->is(Kind::integer) || part->is(Kind::boolean);
    if (!is_place) fault("a {} can't be a place in a slice", type_name(*part));
  }
  const bool is_list = value.is(Kind::sequence) && value.sequence().type != Sequence::Type::view;
  if (!value.is_text() && !is_list) fault("a {} has no slices", type_name(value));
  const int64_t size = size_of(value);
  const Places range = places(size, begin, end, step);
  if (value.is_text()) {
    budget.spend(static_cast<int64_t>(value.text().size()));
    return text_slice(budget, value, range);
  }
  budget.spend_items(static_cast<size_t>(size));
  Values items;
  for_places(range, [&](size_t i) { items.push_back(value.sequence().items[i]); });
  return make_list(budget, std::move(items), value.sequence().type);
}

}  // namespace sleb::jinja
