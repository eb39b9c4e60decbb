#include "sleb/jinja/value.h"

#include <algorithm>

#include "sleb/jinja/python_text.h"

namespace sleb::jinja {
namespace {

constexpr int deepest_value = 100;
constexpr int64_t cost_of_comparison = 8;

bool equal_items(Budget& budget, const Values& a, const Values& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](const Value& left, const Value& right) { return equal(budget, left, right); });
}

bool equal_dicts(Budget& budget, const Dict& a, const Dict& b) {
  if (a.members.size() != b.members.size()) return false;
  return std::all_of(a.members.begin(), a.members.end(), [&](const auto& member) {
    const Value* const other = b.find(budget, member.first);
    return other != nullptr && equal(budget, member.second, *other);
  });
}

}  // namespace

void check_key(const Value& key) {
  const bool is_tuple = key.is(Value::Kind::sequence) && key.sequence().type == Sequence::Type::tuple;
  if (is_tuple) {
    for (const Value& item : key.sequence().items) check_key(item);
  } else if (key.is(Value::Kind::sequence) || key.is(Value::Kind::dict)) {
    fault("a {} can't be a key", type_name(key));
  }
}

Value::Kind Value::kind() const {
  return static_cast<Kind>(value_.index());
}

bool Value::is_callable() const {
  return is(Kind::method) || is(Kind::macro) || is(Kind::builtin);
}

double Value::number() const {
  return is(Kind::real) ? std::get<double>(value_) : static_cast<double>(integer());
}

const void* Value::identity() const {
  switch (kind()) {
    case Kind::generator:
      return &generator();
    case Kind::loop:
      return &loop();
    case Kind::name_space:
      return &name_space();
    case Kind::macro:
      return &macro();
    case Kind::builtin:
      return &builtin();
    default:
      return nullptr;
  }
}

int Value::depth() const {
  switch (kind()) {
    case Kind::sequence:
      return sequence().depth;
    case Kind::dict:
      return dict().depth;
    case Kind::generator:
      return generator().depth;
    case Kind::method:
      return method().self.depth() + 1;
    case Kind::loop:
      return loop().depth;
    default:
      return 1;
  }
}

const Value* Dict::find(Budget& budget, const Value& key) const {
  const auto found =
      std::ranges::find_if(members, [&](const auto& member) { return equal(budget, member.first, key); });
  return found == members.end() ? nullptr : &found->second;
}

const Value* Dict::find(Budget& budget, std::string_view key) const {
  budget.spend(static_cast<int64_t>(members.size() + 1));
  const auto found = std::ranges::find_if(
      members, [&](const auto& member) { return member.first.is_text() && member.first.text() == key; });
  return found == members.end() ? nullptr : &found->second;
}

Value undefined(std::string complaint) {
  return Value(Undefined{std::make_shared<const std::string>(std::move(complaint))});
}

int depth_around(const Values& items) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  if (depth >= deepest_value) fault("values are nested deeper than {} levels", deepest_value);
  return depth + 1;
}

Value make_list(Budget& budget, Values items, Sequence::Type type) {
  budget.spend_items(items.size() + 1);
  const int depth = depth_around(items);
  return Value(std::make_shared<const Sequence>(Sequence{.type = type, .items = std::move(items), .depth = depth}));
}

Value make_dict(Budget& budget, std::vector<std::pair<Value, Value>> members) {
  Dict dict{.members = {}, .depth = 1};
  for (auto& [key, value] : members) {
    budget.spend_items(2);
    check_key(key);
    dict.depth = std::max({dict.depth, key.depth() + 1, value.depth() + 1});
    if (const Value* const known = dict.find(budget, key)) {
      const_cast<Value&>(*known) = std::move(value);
    } else {
      dict.members.emplace_back(std::move(key), std::move(value));
    }
  }
  if (dict.depth > deepest_value) fault("values are nested deeper than {} levels", deepest_value);
  return Value(std::make_shared<const Dict>(std::move(dict)));
}

Value make_generator(Budget& budget, Values items) {
  budget.spend_items(items.size() + 1);
  const int depth = depth_around(items);
  return Value(std::make_shared<Generator>(Generator{.items = std::move(items), .depth = depth}));
}

namespace {

template <typename AnyJson>
Value from_any_json(Budget& budget, const AnyJson& json) {
  using Type = typename AnyJson::value_t;
  switch (json.type()) {
    case Type::null:
      return Value();
    case Type::boolean:
      return Value(json.template get<bool>());
    case Type::number_unsigned:
      if (json.template get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) return Value(json.template get<double>());
      [[fallthrough]];
    case Type::number_integer:
      return Value(json.template get<int64_t>());
    case Type::number_float:
      return Value(json.template get<double>());
    case Type::string:
      return Value(json.template get<std::string>());
    case Type::array: {
      Values items;
      for (const AnyJson& item : json) items.push_back(from_any_json(budget, item));
      return make_list(budget, std::move(items));
    }
    case Type::object: {
      std::vector<std::pair<Value, Value>> members;
      for (const auto& [key, value] : json.items()) members.emplace_back(Value(key), from_any_json(budget, value));
      return make_dict(budget, std::move(members));
    }
    default:
      fault("a value of this type has no place in a template");
  }
}

}  // namespace

Value from_json(Budget& budget, const OrderedJson& json) {
  return from_any_json(budget, json);
}

Value from_json(Budget& budget, const Json& json) {
  return from_any_json(budget, json);
}

Json to_plain_json(Budget& budget, const Value& value) {
  budget.spend_items(1);
  switch (value.kind()) {
    case Value::Kind::none:
      return nullptr;
    case Value::Kind::boolean:
      return value.boolean();
    case Value::Kind::integer:
      return value.integer();
    case Value::Kind::real:
      return value.number();
    case Value::Kind::text:
      return value.text();
    case Value::Kind::sequence:
    case Value::Kind::generator: {
      Json list = Json::array();
      for (const Value& item : items_of(budget, value)) list.push_back(to_plain_json(budget, item));
      return list;
    }
    case Value::Kind::undefined:
      fault("{}", value.complaint());
    default:
      fault("a {} is neither text, number nor list", type_name(value));
  }
}

bool is_true(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::undefined:
    case Value::Kind::none:
      return false;
    case Value::Kind::boolean:
    case Value::Kind::integer:
      return value.integer() != 0;
    case Value::Kind::real:
      return value.number() != 0;
    case Value::Kind::text:
      return !value.text().empty();
    case Value::Kind::sequence:
      return !value.sequence().items.empty();
    case Value::Kind::dict:
      return !value.dict().members.empty();
    default:
      return true;
  }
}

bool equal(Budget& budget, const Value& a, const Value& b) {
  budget.spend(cost_of_comparison);
  if (a.is_number() && b.is_number()) {
    const bool whole = !a.is(Value::Kind::real) && !b.is(Value::Kind::real);
    return whole ? a.integer() == b.integer() : a.number() == b.number();
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Value::Kind::text:
      budget.spend(static_cast<int64_t>(std::min(a.text().size(), b.text().size()) / 16));
      return a.text() == b.text();
    case Value::Kind::sequence:
      return a.sequence().type == b.sequence().type && equal_items(budget, a.sequence().items, b.sequence().items);
    case Value::Kind::dict:
      return equal_dicts(budget, a.dict(), b.dict());
    case Value::Kind::method:
      return a.method().name == b.method().name && equal(budget, a.method().self, b.method().self);
    default:
      return a.identity() == b.identity();  // none and undefined have none: all are alike
  }
}

bool less(Budget& budget, const Value& a, const Value& b) {
  budget.spend(cost_of_comparison);
  if (a.is_number() && b.is_number()) {
    const bool whole = !a.is(Value::Kind::real) && !b.is(Value::Kind::real);
    return whole ? a.integer() < b.integer() : a.number() < b.number();
  }
  if (a.is_text() && b.is_text()) {
    budget.spend(static_cast<int64_t>(std::min(a.text().size(), b.text().size()) / 16));
    return a.text() < b.text();  // UTF-8 has the order of code points
  }
  const bool sequences = a.is(Value::Kind::sequence) && b.is(Value::Kind::sequence);
  if (sequences && a.sequence().type == b.sequence().type && a.sequence().type != Sequence::Type::view) {
    const Values &left = a.sequence().items, &right = b.sequence().items;
    for (size_t i = 0; i < left.size() && i < right.size(); ++i) {
      if (!equal(budget, left[i], right[i])) return less(budget, left[i], right[i]);
    }
    return left.size() < right.size();
  }
  if (a.is_undefined()) fault("{}", a.complaint());
  if (b.is_undefined()) fault("{}", b.complaint());
  fault("a {} and a {} have no order", type_name(a), type_name(b));
}

std::string type_name(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::undefined:
      return "undefined value";
    case Value::Kind::none:
      return "None";
    case Value::Kind::boolean:
      return "bool";
    case Value::Kind::integer:
      return "int";
    case Value::Kind::real:
      return "float";
    case Value::Kind::text:
      return "string";
    case Value::Kind::sequence:
      return value.sequence().type == Sequence::Type::tuple ? "tuple" : "list";
    case Value::Kind::dict:
      return "dict";
    case Value::Kind::generator:
      return "generator";
    case Value::Kind::loop:
      return "loop";
    case Value::Kind::name_space:
      return "namespace";
    default:
      return "function";
  }
}

Values items_of(Budget& budget, const Value& value) {
  switch (value.kind()) {
    case Value::Kind::undefined:
      return {};
    case Value::Kind::text: {
      Values items;
      for (const std::string_view character : characters_of(value.text())) {
        budget.spend_items(2);
        items.emplace_back(std::string(character));
      }
      return items;
    }
    case Value::Kind::sequence:
      budget.spend_items(value.sequence().items.size());
      return value.sequence().items;
    case Value::Kind::dict: {
      budget.spend_items(value.dict().members.size());
      Values keys;
      for (const auto& member : value.dict().members) keys.push_back(member.first);
      return keys;
    }
    case Value::Kind::generator: {
      Generator& generator = value.generator();
      budget.spend_items(generator.items.size() - generator.given);
      Values items(generator.items.begin() + static_cast<std::ptrdiff_t>(generator.given), generator.items.end());
      generator.given = generator.items.size();
      return items;
    }
    default:
      fault("a {} can't be iterated over", type_name(value));
  }
}

int64_t size_of(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::undefined:
      return 0;
    case Value::Kind::text:
      return length_of(value.text());
    case Value::Kind::sequence:
      return static_cast<int64_t>(value.sequence().items.size());
    case Value::Kind::dict:
      return static_cast<int64_t>(value.dict().members.size());
    case Value::Kind::loop:
      return static_cast<int64_t>(value.loop().items->size());
    default:
      fault("a {} has no length", type_name(value));
  }
}

}  // namespace sleb::jinja
