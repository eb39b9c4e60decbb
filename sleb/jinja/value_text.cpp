// Values as text: Python's str() and repr(), and JSON.
#include <algorithm>
#include <optional>

#include "sleb/jinja/python_text.h"
#include "sleb/jinja/value.h"

namespace sleb::jinja {
namespace {

class Writer {
 public:
  explicit Writer(Budget& budget) : budget_(budget) {}
  std::string take() { return std::move(text_); }

 protected:
  void add(std::string_view part) {
    budget_.spend(static_cast<int64_t>(part.size()) + 4);
    text_ += part;
  }
  Budget& budget_;

 private:
  std::string text_;
};

class ReprWriter : public Writer {
 public:
  using Writer::Writer;

  void value(const Value& value) {
    switch (value.kind()) {
      case Value::Kind::undefined:
        return add("Undefined");
      case Value::Kind::none:
        return add("None");
      case Value::Kind::boolean:
        return add(value.boolean() ? "True" : "False");
      case Value::Kind::integer:
        return add(fmt::format("{}", value.integer()));
      case Value::Kind::real:
        return add(repr(value.number()));
      case Value::Kind::text:
        return add(value.is_markup() ? "Markup(" + repr(value.text()) + ")" : repr(value.text()));
      case Value::Kind::sequence:
        return sequence(value.sequence());
      case Value::Kind::dict:
        return dict(value.dict());
      default:
        fault("a {} can't be shown", type_name(value));
    }
  }

 private:
  void sequence(const Sequence& sequence) {
    if (sequence.type == Sequence::Type::view) fault("what a dict's keys(), values() and items() give can't be shown");
    const bool is_tuple = sequence.type == Sequence::Type::tuple;
    add(is_tuple ? "(" : "[");
    for (size_t i = 0; i < sequence.items.size(); ++i) {
      if (i > 0) add(", ");
      value(sequence.items[i]);
    }
    if (is_tuple && sequence.items.size() == 1) add(",");
    add(is_tuple ? ")" : "]");
  }

  void dict(const Dict& dict) {
    add("{");
    bool first = true;
    for (const auto& [key, member] : dict.members) {
      if (!std::exchange(first, false)) add(", ");
      value(key);
      add(": ");
      value(member);
    }
    add("}");
  }
};

class JsonWriter : public Writer {
 public:
  JsonWriter(Budget& budget, const JsonStyle& style) : Writer(budget), style_(style) {}

  void value(const Value& value, int level) {
    switch (value.kind()) {
      case Value::Kind::none:
        return add("null");
      case Value::Kind::boolean:
        return add(value.boolean() ? "true" : "false");
      case Value::Kind::integer:
      case Value::Kind::real:
        return add(number(value));
      case Value::Kind::text:
        return add(json_string(value.text(), style_.ensure_ascii));
      case Value::Kind::sequence:
        if (value.sequence().type == Sequence::Type::view) break;
        return sequence(value.sequence(), level);
      case Value::Kind::dict:
        return dict(value.dict(), level);
      default:
        break;
    }
    fault("a {} can't be written as JSON", type_name(value));
  }

 private:
  static std::string number(const Value& value) {
    if (!value.is(Value::Kind::real)) return fmt::format("{}", value.integer());
    const std::string text = repr(value.number());
    return text == "nan" ? "NaN" : text == "inf" ? "Infinity" : text == "-inf" ? "-Infinity" : text;
  }

  static std::string key_text(const Value& key) {
    switch (key.kind()) {
      case Value::Kind::text:
        return key.text();
      case Value::Kind::none:
        return "null";
      case Value::Kind::boolean:
        return key.boolean() ? "true" : "false";
      case Value::Kind::integer:
      case Value::Kind::real:
        return number(key);
      default:
        fault("a {} can't be a key in JSON", type_name(key));
    }
  }

  void new_line(int level) {
    if (!style_.indent) return;
    add("\n");
    for (int i = 0; i < level; ++i) add(*style_.indent);
  }

  void sequence(const Sequence& sequence, int level) {
    if (sequence.items.empty()) return add("[]");
    add("[");
    for (size_t i = 0; i < sequence.items.size(); ++i) {
      if (i > 0) add(style_.item_separator);
      new_line(level + 1);
      value(sequence.items[i], level + 1);
    }
    new_line(level);
    add("]");
  }

  void dict(const Dict& dict, int level) {
    if (dict.members.empty()) return add("{}");
    std::vector<const std::pair<Value, Value>*> members;
    for (const auto& member : dict.members) members.push_back(&member);
    if (style_.sort_keys) {
      std::ranges::stable_sort(members,
                               [&](const auto* a, const auto* b) { return less(budget_, a->first, b->first); });
    }
    add("{");
    bool first = true;
    for (const auto* member : members) {
      if (!std::exchange(first, false)) add(style_.item_separator);
      new_line(level + 1);
      add(json_string(key_text(member->first), style_.ensure_ascii));
      add(style_.key_separator);
      value(member->second, level + 1);
    }
    new_line(level);
    add("}");
  }

  const JsonStyle& style_;
};

}  // namespace

std::string to_repr(Budget& budget, const Value& value) {
  ReprWriter writer(budget);
  writer.value(value);
  return writer.take();
}

std::string to_text(Budget& budget, const Value& value) {
  if (value.is_undefined() && budget.is_strict()) fault("{}", value.complaint());
  if (value.is_undefined()) return "";
  if (!value.is_text()) return to_repr(budget, value);
  budget.spend(static_cast<int64_t>(value.text().size()) + 1);
  return value.text();
}

std::string to_json(Budget& budget, const Value& value, const JsonStyle& style) {
  JsonWriter writer(budget, style);
  writer.value(value, 0);
  return writer.take();
}

}  // namespace sleb::jinja
