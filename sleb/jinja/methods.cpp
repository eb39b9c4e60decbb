// Methods of Python's own types, as far as chat templates call them.
#include <algorithm>
#include <functional>
#include <span>

#include "sleb/base/utf8.h"
#include "sleb/jinja/library.h"
#include "sleb/jinja/python_text.h"

namespace sleb::jinja {
namespace {

using Kind = Value::Kind;
using Arguments = std::vector<std::optional<Value>>;

Value texts(Interpreter& interpreter, const std::vector<std::string>& parts,
            Sequence::Type type = Sequence::Type::list) {
  Values items;
  for (const std::string& part : parts) items.emplace_back(part);
  return make_list(interpreter.budget(), std::move(items), type);
}

template <bool left, bool right>
Value strip(Interpreter&, const std::string& self, const Call& call) {
  const auto arguments = bind("strip", call, {"chars"}, 0);
  return Value(std::string(stripped(self, text_argument(arguments[0]), left, right)));
}

Value split_method(Interpreter& interpreter, const std::string& self, const Call& call) {
  const auto arguments = bind("split", call, {"sep", "maxsplit"}, 0);
  const auto separator = text_argument(arguments[0]);
  if (separator && separator->empty()) fault("\"split\" needs a separator that is not empty");
  interpreter.budget().spend_items(self.size() / (separator ? separator->size() : 2));  // as many as there may be
  return texts(interpreter, split(self, separator, integer_argument(arguments[1], -1)));
}

// From the right; only with a separator.
Value rsplit_method(Interpreter& interpreter, const std::string& self, const Call& call) {
  const auto arguments = bind("rsplit", call, {"sep", "maxsplit"}, 1);
  const std::string separator = text_argument(arguments[0]).value_or("");
  if (separator.empty()) fault("\"rsplit\" is supported only with a separator that is not empty");
  interpreter.budget().spend_items(self.size() / separator.size());
  int64_t most = integer_argument(arguments[1], -1);
  std::vector<std::string> parts;
  std::string_view rest = self;
  for (size_t i = rest.rfind(separator); i != rest.npos && most != 0; i = rest.rfind(separator), --most) {
    parts.emplace_back(rest.substr(i + separator.size()));
    rest = rest.substr(0, i);
  }
  parts.emplace_back(rest);
  std::ranges::reverse(parts);
  return texts(interpreter, parts);
}

Value partition(Interpreter& interpreter, const std::string& self, const Call& call, bool from_right) {
  const std::string separator = text_argument(bind("partition", call, {"sep"}, 1)[0]).value_or("");
  if (separator.empty()) fault("\"partition\" needs a separator that is not empty");
  const size_t place = from_right ? self.rfind(separator) : self.find(separator);
  const auto tuple = Sequence::Type::tuple;
  if (place == self.npos) {
    return from_right ? texts(interpreter, {"", "", self}, tuple) : texts(interpreter, {self, "", ""}, tuple);
  }
  return texts(interpreter, {self.substr(0, place), separator, self.substr(place + separator.size())}, tuple);
}

// "startswith" and "endswith": of one text or any of a tuple.
template <bool at_start>
Value has_end(Interpreter&, const std::string& self, const Call& call) {
  const auto arguments = bind("startswith", call, {"prefix"}, 1);
  const auto fits = [&](const Value& end) {
    const std::string text = text_argument(end).value_or("");
    if (!end.is_text()) fault("a string was expected, not a {}", type_name(end));
    return at_start ? self.starts_with(text) : self.ends_with(text);
  };
  const Value& ends = *arguments[0];
  const bool is_tuple = ends.is(Kind::sequence) && ends.sequence().type == Sequence::Type::tuple;
  return Value(is_tuple ? std::ranges::any_of(ends.sequence().items, fits) : fits(ends));
}

Value index(Interpreter&, const std::string& self, const Call& call) {
  const auto part = text_argument(bind("index", call, {"sub"}, 1)[0]);
  const size_t place = part ? self.find(*part) : self.npos;
  if (place == self.npos) fault("the string does not hold what \"index\" looks for");
  return Value(length_of(std::string_view(self).substr(0, place)));
}

template <bool from_right>
Value find(Interpreter&, const std::string& self, const Call& call) {
  const auto part = text_argument(bind("find", call, {"sub"}, 1)[0]);
  if (!part) fault("a string was expected, not None");
  const size_t place = from_right ? self.rfind(*part) : self.find(*part);
  return Value(place == self.npos ? int64_t{-1} : length_of(std::string_view(self).substr(0, place)));
}

Value count(Interpreter&, const std::string& self, const Call& call) {
  const auto part = text_argument(bind("count", call, {"sub"}, 1)[0]);
  if (!part || part->empty()) fault("\"count\" needs a string that is not empty");
  int64_t found = 0;
  for (size_t i = self.find(*part); i != self.npos; i = self.find(*part, i + part->size())) ++found;
  return Value(found);
}

Value replace(Interpreter& interpreter, const std::string& self, const Call& call) {
  const auto arguments = bind("replace", call, {"old", "new", "count"}, 2);
  const auto from = text_argument(arguments[0]), to = text_argument(arguments[1]);
  if (!from || !to) fault("\"replace\" needs two strings");
  const auto least = static_cast<int64_t>(self.size() + 1);
  const auto places = static_cast<int64_t>(from->empty() ? self.size() + 1 : self.size() / from->size());
  interpreter.budget().spend(least + places * static_cast<int64_t>(to->size()));
  return Value(replaced(self, *from, *to, integer_argument(arguments[2], -1)));
}

Value join(Interpreter& interpreter, const std::string& self, const Call& call) {
  std::string joined;
  bool first = true;
  for (const Value& item : items_of(interpreter.budget(), *bind("join", call, {"iterable"}, 1)[0])) {
    if (!item.is_text()) fault("only strings can be joined, not a {}", type_name(item));
    if (!std::exchange(first, false)) joined += self;
    joined += item.text();
    interpreter.budget().spend(static_cast<int64_t>(self.size() + item.text().size()));
  }
  return Value(std::move(joined));
}

template <bool at_start>
Value without_end(Interpreter&, const std::string& self, const Call& call) {
  const std::string end = text_argument(bind("removeprefix", call, {"prefix"}, 1)[0]).value_or("");
  if (at_start) return Value(self.starts_with(end) ? self.substr(end.size()) : self);
  return Value(self.ends_with(end) ? self.substr(0, self.size() - end.size()) : self);
}

// Replacement fields "{}", "{0}" and "{name}", without formats.
Value format(Interpreter& interpreter, const std::string& self, const Call& call) {
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < self.size(); ++i) {
    const bool twice = i + 1 < self.size() && self[i + 1] == self[i];
    if (self[i] != '{' && self[i] != '}') {
      out += self[i];
    } else if (twice) {
      out += self[i++];
    } else {
      const size_t end = self.find('}', i);
      if (self[i] == '}' || end == self.npos) fault("a single bracket in a format");
      const std::string field = self.substr(i + 1, end - i - 1);
      if (field.find_first_of(".[!:{") != field.npos) fault("the field {:?} of a format is not supported", field);
      const bool is_place = field.find_first_not_of("0123456789") == field.npos && field.size() < 6;
      const size_t place = field.empty() ? next++ : is_place ? std::stoul(field) : call.positional.size();
      const auto named = std::ranges::find(call.keywords, field, &std::pair<std::string, Value>::first);
      if (is_place ? place >= call.positional.size() : named == call.keywords.end()) {
        fault("nothing is given for the field {:?} of a format", field);
      }
      out += to_text(interpreter.budget(), is_place ? call.positional[place] : named->second);
      i = end;
    }
  }
  return Value(std::move(out));
}

template <std::string (*rewrite)(std::string_view)>
Value rewritten(Interpreter&, const std::string& self, const Call& call) {
  bind("a method without arguments", call, {}, 0);
  return Value(rewrite(self));
}

template <bool (*holds)(char32_t)>
Value all_are(Interpreter& interpreter, const std::string& self, const Call&) {
  interpreter.budget().spend_items(self.size());
  const auto characters = characters_of(self);
  return Value(!characters.empty() &&
               std::ranges::all_of(characters, [](std::string_view c) { return holds(first_character(c)); }));
}

bool is_ascii_digit(char32_t c) {
  return c >= '0' && c <= '9';
}

struct TextMethod {
  std::string_view name;
  Value (*run)(Interpreter& interpreter, const std::string& self, const Call& call);
};

constexpr TextMethod text_methods[] = {
    {"strip", strip<true, true>},
    {"lstrip", strip<true, false>},
    {"rstrip", strip<false, true>},
    {"split", split_method},
    {"rsplit", rsplit_method},
    {"splitlines",
     [](Interpreter& i, const std::string& self, const Call& call) {
       i.budget().spend_items(most_lines(self));
       return texts(i, split_lines(self, truth_argument(bind("splitlines", call, {"keepends"}, 0)[0], false)));
     }},
    {"partition", [](Interpreter& i, const std::string& s, const Call& call) { return partition(i, s, call, false); }},
    {"rpartition", [](Interpreter& i, const std::string& s, const Call& call) { return partition(i, s, call, true); }},
    {"startswith", has_end<true>},
    {"endswith", has_end<false>},
    {"find", find<false>},
    {"rfind", find<true>},
    {"index", index},
    {"count", count},
    {"replace", replace},
    {"join", join},
    {"removeprefix", without_end<true>},
    {"removesuffix", without_end<false>},
    {"format", format},
    {"upper", rewritten<upper>},
    {"lower", rewritten<lower>},
    {"title", rewritten<titled>},
    {"capitalize", rewritten<capitalized>},
    {"isspace", all_are<is_python_space>},
    {"isdigit", all_are<is_ascii_digit>},
};

Value call_text_method(Interpreter& interpreter, const Value& self, const std::string& name, const Call& call) {
  const auto* const method = std::ranges::find(text_methods, name, &TextMethod::name);
  if (method == std::end(text_methods)) fault("the method {:?} of a string is not supported", name);
  if (name == "isdigit" && !is_ascii(self.text())) fault("\"isdigit\" is supported for ASCII alone");
  interpreter.budget().spend(static_cast<int64_t>(self.text().size()));
  Value result = method->run(interpreter, self.text(), call);
  interpreter.budget().spend(result.is_text() ? static_cast<int64_t>(result.text().size()) : 0);
  return result.is_text() && self.is_markup() ? Value(result.text(), true) : result;
}

Value call_dict_method(Interpreter& interpreter, const Value& self, const std::string& name, const Call& call) {
  Budget& budget = interpreter.budget();
  const auto& members = self.dict().members;
  if (name == "get") {
    const auto arguments = bind("get", call, {"key", "default"}, 1);
    const Value* const known = self.dict().find(budget, *arguments[0]);
    return known != nullptr ? *known : arguments[1].value_or(Value());
  }
  bind("a method without arguments", call, {}, 0);
  if (name == "copy") return self;
  Values items;
  for (const auto& [key, value] : members) {
    if (name == "items") {
      items.push_back(make_list(budget, {key, value}, Sequence::Type::tuple));
    } else if (name == "keys" || name == "values") {
      items.push_back(name == "keys" ? key : value);
    } else {
      fault("the method {:?} of a dict is not supported", name);
    }
  }
  return make_list(budget, std::move(items), Sequence::Type::view);
}

Value call_list_method(Interpreter& interpreter, const Value& self, const std::string& name, const Call& call) {
  const Values& items = self.sequence().items;
  if (name == "copy") return self;
  if (name != "index" && name != "count") fault("the method {:?} of a list is not supported", name);
  const Value wanted = *bind(name, call, {"value"}, 1)[0];
  const auto is_wanted = [&](const Value& item) { return equal(interpreter.budget(), item, wanted); };
  if (name == "count") return Value(static_cast<int64_t>(std::ranges::count_if(items, is_wanted)));
  const auto found = std::ranges::find_if(items, is_wanted);
  if (found == items.end()) {
    Budget& budget = interpreter.budget();
    fault("{} is not in {}", to_repr(budget, wanted), to_repr(budget, self));
  }
  return Value(static_cast<int64_t>(found - items.begin()));
}

constexpr std::string_view dict_names[] = {"copy", "fromkeys", "get", "items", "keys", "values"};
constexpr std::string_view dict_changes[] = {"clear", "pop", "popitem", "setdefault", "update"};
constexpr std::string_view list_names[] = {"copy", "count", "index"};
constexpr std::string_view list_changes[] = {"append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"};
constexpr std::string_view text_names[] = {
    "capitalize",   "casefold",   "center",    "count",       "encode",    "endswith",     "expandtabs",   "find",
    "format",       "format_map", "index",     "isalnum",     "isalpha",   "isascii",      "isdecimal",    "isdigit",
    "isidentifier", "islower",    "isnumeric", "isprintable", "isspace",   "istitle",      "isupper",      "join",
    "ljust",        "lower",      "lstrip",    "maketrans",   "partition", "removeprefix", "removesuffix", "replace",
    "rfind",        "rindex",     "rjust",     "rpartition",  "rsplit",    "rstrip",       "split",        "splitlines",
    "startswith",   "strip",      "swapcase",  "title",       "translate", "upper",        "zfill"};

bool is_in(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

MethodKind method_kind(const Value& value, std::string_view name) {
  const auto kind = [&](std::span<const std::string_view> reading, std::span<const std::string_view> changing) {
    return is_in(reading, name)    ? MethodKind::allowed
           : is_in(changing, name) ? MethodKind::changes_its_object
                                   : MethodKind::none;
  };
  switch (value.kind()) {
    case Kind::text:
      return kind(text_names, {});
    case Kind::dict:
      return kind(dict_names, dict_changes);
    case Kind::sequence:
      if (value.sequence().type == Sequence::Type::tuple) return kind(std::span(list_names).subspan(1), {});
      return value.sequence().type == Sequence::Type::list ? kind(list_names, list_changes) : MethodKind::none;
    case Kind::loop:
      return name == "cycle" ? MethodKind::allowed : MethodKind::none;
    default:
      return MethodKind::none;
  }
}

Value call_method(Interpreter& interpreter, const Method& method, const Call& call) {
  switch (method.self.kind()) {
    case Kind::text:
      return call_text_method(interpreter, method.self, method.name, call);
    case Kind::dict:
      return call_dict_method(interpreter, method.self, method.name, call);
    case Kind::sequence:
      return call_list_method(interpreter, method.self, method.name, call);
    default:  // loop.cycle
      if (call.positional.empty()) fault("\"cycle\" needs values");
      return call.positional[method.self.loop().index % call.positional.size()];
  }
}

}  // namespace sleb::jinja
