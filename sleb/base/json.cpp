#include "sleb/base/json.h"

#include <cmath>
#include <set>

#include "sleb/base/error.h"

namespace sleb {
namespace {

constexpr int deepest_nesting = 128;
constexpr size_t largest_ordered_text = size_t{4} << 20;
constexpr size_t most_ordered_members = 5000;

// The first key that stands twice in one object of a valid `text`.
std::string repeated_key(std::string_view text) {
  std::vector<std::set<std::string>> keys(deepest_nesting + 2);  // of the objects that are open, by depth
  std::string repeated;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys[static_cast<size_t>(depth) + 1].clear();
    if (event != Json::parse_event_t::key || !repeated.empty()) return true;
    const auto& key = parsed.get_ref<const std::string&>();
    if (!keys[static_cast<size_t>(depth)].insert(key).second) repeated = key;
    return true;
  };
  [[maybe_unused]] const Json again = Json::parse(text.begin(), text.end(), watch);
  return repeated;
}

template <typename Document>
Document parse(std::string_view text, std::string_view label, size_t most_members) {
  using Event = typename Document::parse_event_t;
  std::vector<size_t> members(deepest_nesting + 2);  // keys read of the objects that are open, by depth
  const auto guard = [&](int depth, Event event, Document& parsed) {
    if (depth > deepest_nesting) bad_input("{}: nested deeper than {} levels", label, deepest_nesting);
    const auto level = static_cast<size_t>(depth);
    if (event == Event::object_start) members[level + 1] = 0;
    if (event == Event::key && ++members[level] > most_members) {
      bad_input("{}: an object of more than {} members", label, most_members);
    }
    if (event == Event::object_end && parsed.size() != members[level + 1]) {
      bad_input("{}: the key {:?} stands twice in one object", label, repeated_key(text));
    }
    return true;
  };
  try {
    return Document::parse(text.begin(), text.end(), guard);
  } catch (const nlohmann::json::exception& error) {
    // nlohmann's texts begin with "[json.exception.parse_error.101] " and quote all of what was read last.
    std::string_view what = error.what();
    if (const size_t bracket = what.find("] "); bracket != what.npos) what.remove_prefix(bracket + 2);
    constexpr size_t longest = 200;
    bad_input("{}: not valid JSON: {}{}", label, what.substr(0, longest), what.size() > longest ? "..." : "");
  }
}

}  // namespace

Json parse_json(std::string_view text, std::string_view label) {
  return parse<Json>(text, label, std::numeric_limits<size_t>::max());
}

OrderedJson parse_ordered_json(std::string_view text, std::string_view label) {
  if (text.size() > largest_ordered_text) {
    bad_input("{}: {} bytes is too large for a configuration (at most {})", label, text.size(), largest_ordered_text);
  }
  return parse<OrderedJson>(text, label, most_ordered_members);
}

void JsonView::fail(std::string_view what) const {
  bad_input("{}: {}", place_, what);
}

bool JsonView::has(const std::string& key) const {
  return find(key).has_value();
}

std::optional<JsonView> JsonView::find(const std::string& key) const {
  if (!value_->is_object()) fail("expected an object");
  const auto member = value_->find(key);
  if (member == value_->end() || member->is_null()) return {};
  const bool at_root = place_.find(": ") == std::string::npos;
  return JsonView(&*member, place_ + (at_root ? ": " : ".") + key);
}

JsonView JsonView::at(const std::string& key) const {
  if (auto member = find(key)) return *member;
  fail("lacks \"" + key + "\"");
}

size_t JsonView::size() const {
  if (!value_->is_array()) fail("expected an array");
  return value_->size();
}

JsonView JsonView::at(size_t index) const {
  if (index >= size()) fail(fmt::format("has no element {}", index));
  return JsonView(&(*value_)[index], fmt::format("{}[{}]", place_, index));
}

int64_t JsonView::integer(int64_t least, int64_t most) const {
  if (!value_->is_number_integer()) fail("expected a whole number");
  if (value_->is_number_unsigned() && value_->get<uint64_t>() > static_cast<uint64_t>(most)) {
    fail(fmt::format("{} is more than {}", value_->get<uint64_t>(), most));
  }
  const auto number = value_->get<int64_t>();
  if (number < least) fail(fmt::format("{} is less than {}", number, least));
  if (number > most) fail(fmt::format("{} is more than {}", number, most));
  return number;
}

double JsonView::number() const {
  if (!value_->is_number()) fail("expected a number");
  const auto number = value_->get<double>();
  if (!std::isfinite(number)) fail("expected a finite number");
  return number;
}

bool JsonView::boolean() const {
  if (!value_->is_boolean()) fail("expected true or false");
  return value_->get<bool>();
}

const std::string& JsonView::string() const {
  if (!value_->is_string()) fail("expected a string");
  return value_->get_ref<const std::string&>();
}

int64_t JsonView::integer_or(const std::string& key, int64_t otherwise) const {
  const auto member = find(key);
  return member ? member->integer() : otherwise;
}

double JsonView::number_or(const std::string& key, double otherwise) const {
  const auto member = find(key);
  return member ? member->number() : otherwise;
}

bool JsonView::boolean_or(const std::string& key, bool otherwise) const {
  const auto member = find(key);
  return member ? member->boolean() : otherwise;
}

std::string JsonView::string_or(const std::string& key, const std::string& otherwise) const {
  const auto member = find(key);
  return member ? member->string() : otherwise;
}

}  // namespace sleb
