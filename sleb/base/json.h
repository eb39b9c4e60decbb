// JSON from untrusted files, read with checked access: every error names the file and the place in it.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sleb {

using Json = nlohmann::json;                 // objects sorted by key: fast for large vocabularies
using OrderedJson = nlohmann::ordered_json;  // objects in file order: for what is written back

// Parses `text`; `label` (a file name) begins the error message. Nesting deeper than 128 is refused, and so is an
// object with one key twice: other readers of the file may take the other value. Throws Error(bad_input).
Json parse_json(std::string_view text, std::string_view label);
// For configurations: texts of more than 4 MiB and objects of more than 5000 members are refused too, because finding a
// member takes time proportional to their number.
OrderedJson parse_ordered_json(std::string_view text, std::string_view label);
// null where there is no number.
inline OrderedJson or_null(const std::optional<double>& value) {
  return value ? OrderedJson(*value) : OrderedJson();
}

// A value inside a parsed document and the way to it ("config.json: rope_scaling.factor"). It refers to the document,
// which must outlive it. Every accessor throws Error(bad_input) if the value is not what was asked for.
class JsonView {
 public:
  JsonView(const Json& document, std::string label) : value_(&document), place_(std::move(label)) {}

  const Json& raw() const { return *value_; }
  const std::string& place() const { return place_; }

  bool is_null() const { return value_->is_null(); }
  bool is_object() const { return value_->is_object(); }
  bool is_array() const { return value_->is_array(); }
  bool is_string() const { return value_->is_string(); }
  bool is_number() const { return value_->is_number(); }

  // Object members. A member that is null counts as absent.
  bool has(const std::string& key) const;
  JsonView at(const std::string& key) const;
  std::optional<JsonView> find(const std::string& key) const;

  // Array elements.
  size_t size() const;
  JsonView at(size_t index) const;

  int64_t integer(int64_t least = std::numeric_limits<int64_t>::min(),
                  int64_t most = std::numeric_limits<int64_t>::max()) const;
  double number() const;  // finite
  bool boolean() const;
  const std::string& string() const;

  // The member's value, or `otherwise` where absent.
  int64_t integer_or(const std::string& key, int64_t otherwise) const;
  double number_or(const std::string& key, double otherwise) const;
  bool boolean_or(const std::string& key, bool otherwise) const;
  std::string string_or(const std::string& key, const std::string& otherwise) const;

  [[noreturn]] void fail(std::string_view what) const;  // "PLACE: WHAT"

 private:
  JsonView(const Json* value, std::string place) : value_(value), place_(std::move(place)) {}

  const Json* value_;
  std::string place_;
};

}  // namespace sleb
