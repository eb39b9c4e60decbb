// What a template computes with: Python's values, as far as chat templates need them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/jinja/fault.h"

namespace sleb::jinja {

class Budget;
class Value;
struct Sequence;
struct Dict;
struct Generator;
struct Method;
struct Loop;
struct Namespace;  // lives as long as the run: it may hold itself
struct Macro;      // likewise: it may be in the scope that it sees
struct Builtin;    // lives for ever

// Of a name that nobody set, a member that is not there: prints as nothing; `what` is the complaint about other uses.
struct Undefined {
  std::shared_ptr<const std::string> what;
};

struct Text {
  std::shared_ptr<const std::string> text;
  bool is_markup;  // by the filter "safe" or "escape": what is added to it gets escaped
};

class Value {
 public:
  enum class Kind {
    undefined,
    none,
    boolean,
    integer,
    real,
    text,
    sequence,
    dict,
    generator,
    method,
    loop,
    name_space,
    macro,
    builtin
  };

  Value() : value_(std::monostate()) {}  // none
  explicit Value(bool value) : value_(value) {}
  explicit Value(int64_t value) : value_(value) {}
  explicit Value(double value) : value_(value) {}
  explicit Value(std::string value, bool is_markup = false)
      : value_(Text{std::make_shared<const std::string>(std::move(value)), is_markup}) {}
  explicit Value(Undefined value) : value_(std::move(value)) {}
  explicit Value(std::shared_ptr<const Sequence> value) : value_(std::move(value)) {}
  explicit Value(std::shared_ptr<const Dict> value) : value_(std::move(value)) {}
  explicit Value(std::shared_ptr<Generator> value) : value_(std::move(value)) {}
  explicit Value(std::shared_ptr<const Method> value) : value_(std::move(value)) {}
  explicit Value(std::shared_ptr<const Loop> value) : value_(std::move(value)) {}
  explicit Value(Namespace* value) : value_(value) {}
  explicit Value(const Macro* value) : value_(value) {}
  explicit Value(const Builtin* value) : value_(value) {}
  Value(const char*) = delete;

  Kind kind() const;
  bool is(Kind which) const { return kind() == which; }
  bool is_undefined() const { return is(Kind::undefined); }
  bool is_none() const { return is(Kind::none); }
  bool is_text() const { return is(Kind::text); }
  bool is_number() const { return is(Kind::boolean) || is(Kind::integer) || is(Kind::real); }
  bool is_callable() const;

  // Of the kind that was asked for before.
  bool boolean() const { return std::get<bool>(value_); }
  int64_t integer() const { return is(Kind::boolean) ? boolean() : std::get<int64_t>(value_); }  // True is 1
  double number() const;                                                                         // of any number
  const std::string& text() const { return *std::get<Text>(value_).text; }
  bool is_markup() const { return is_text() && std::get<Text>(value_).is_markup; }
  const std::string& complaint() const { return *std::get<Undefined>(value_).what; }
  const Sequence& sequence() const { return *std::get<std::shared_ptr<const Sequence>>(value_); }
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(value_); }
  Generator& generator() const { return *std::get<std::shared_ptr<Generator>>(value_); }
  const Method& method() const { return *std::get<std::shared_ptr<const Method>>(value_); }
  const Loop& loop() const { return *std::get<std::shared_ptr<const Loop>>(value_); }
  Namespace& name_space() const { return *std::get<Namespace*>(value_); }
  const Macro& macro() const { return *std::get<const Macro*>(value_); }
  const Builtin& builtin() const { return *std::get<const Builtin*>(value_); }
  const void* identity() const;  // of values that are equal only to themselves

  // Levels of values within values; 1 for those that hold none.
  int depth() const;

 private:
  // In the order of Kind.
  std::variant<Undefined, std::monostate, bool, int64_t, double, Text, std::shared_ptr<const Sequence>,
               std::shared_ptr<const Dict>, std::shared_ptr<Generator>, std::shared_ptr<const Method>,
               std::shared_ptr<const Loop>, Namespace*, const Macro*, const Builtin*>
      value_;
};

using Values = std::vector<Value>;

struct Sequence {
  enum class Type { list, tuple, view };  // a view (of a dict's keys, say) has no places
  Type type;
  Values items;
  int depth;
};

struct Dict {
  std::vector<std::pair<Value, Value>> members;  // in the order in which they came
  int depth;

  const Value* find(Budget& budget, const Value& key) const;
  const Value* find(Budget& budget, std::string_view key) const;
};

// Gives every item once.
struct Generator {
  Values items;
  size_t given = 0;
  int depth;
};

// "text.strip" before it is called.
struct Method {
  Value self;
  std::string name;
};

// The variable "loop" during one round.
struct Loop {
  std::shared_ptr<const Values> items;
  size_t index;
  int depth;
};

struct Namespace {
  std::vector<std::pair<std::string, Value>> members;
};

// What a run may spend, in steps of work and bytes made: a template that never ends, or swells, ends here.
class Budget {
 public:
  // `strict`: a name that nobody set has no text.
  Budget(int64_t units, bool strict) : left_(units), strict_(strict) {}
  bool is_strict() const { return strict_; }
  void spend(int64_t units) {
    left_ -= units;
    if (left_ < 0) fault("the template takes too long, or makes too much");
  }
  void spend_items(size_t count) { spend(static_cast<int64_t>(count) * static_cast<int64_t>(sizeof(Value))); }

 private:
  int64_t left_;
  bool strict_;
};

Value undefined(std::string complaint);
void check_key(const Value& key);  // that a dict can have it. Throws Fault.
// These throw Fault for values that are nested too deep.
Value make_list(Budget& budget, Values items, Sequence::Type type = Sequence::Type::list);
Value make_dict(Budget& budget,
                std::vector<std::pair<Value, Value>> members);  // of one key given twice, the last value
Value make_generator(Budget& budget, Values items);
int depth_around(const Values& items);  // of a list of them
Value from_json(Budget& budget, const OrderedJson& json);
Value from_json(Budget& budget, const Json& json);
// Lists for all that can be iterated over. Throws Fault for what JSON does not have.
Json to_plain_json(Budget& budget, const Value& value);

bool is_true(const Value& value);
bool equal(Budget& budget, const Value& a, const Value& b);
// Python's "<". Throws Fault for values that have no order.
bool less(Budget& budget, const Value& a, const Value& b);
std::string type_name(const Value& value);

// What iterating gives. Throws Fault for values that can't be iterated over.
Values items_of(Budget& budget, const Value& value);
// len(). Throws Fault.
int64_t size_of(const Value& value);

// str() and repr().
std::string to_text(Budget& budget, const Value& value);
std::string to_repr(Budget& budget, const Value& value);

// json.dumps. Throws Fault for values that JSON does not have.
struct JsonStyle {
  bool ensure_ascii = false;
  std::optional<std::string> indent;  // of one level; nothing: all on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};
std::string to_json(Budget& budget, const Value& value, const JsonStyle& style);

}  // namespace sleb::jinja
