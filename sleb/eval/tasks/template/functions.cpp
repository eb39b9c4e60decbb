#include "sleb/eval/tasks/template/functions.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/eval/tasks/template/regex_replacement.h"
#include "sleb/unicode/characters.h"

namespace sleb {
namespace {

using Arguments = std::span<const Json>;

Json strip(const Json& subject, Arguments, const std::string& place) {
  return std::string(without_blanks_behind(without_blanks_in_front(text_of(subject, place))));
}

Json strip_front(const Json& subject, Arguments, const std::string& place) {
  return std::string(without_blanks_in_front(text_of(subject, place)));
}

Json strip_back(const Json& subject, Arguments, const std::string& place) {
  return std::string(without_blanks_behind(text_of(subject, place)));
}

Json lower(const Json& subject, Arguments, const std::string& place) {
  return lowercase(text_of(subject, place));
}

Json capital(const Json& subject, Arguments, const std::string& place) {
  return capitalize(text_of(subject, place));
}

std::vector<std::string> pieces_between(const std::string& text, const std::string& separator,
                                        const std::string& place) {
  if (separator.empty()) bad_input("{}: the text to look for is empty", place);
  std::vector<std::string> pieces;
  size_t begin = 0;
  for (size_t end = text.find(separator); end != text.npos; end = text.find(separator, begin)) {
    pieces.push_back(text.substr(begin, end - begin));
    begin = end + separator.size();
  }
  pieces.push_back(text.substr(begin));
  return pieces;
}

std::string joined(const std::vector<std::string>& pieces, const std::string& separator) {
  std::string text;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (i > 0) text += separator;
    text += pieces[i];
  }
  return text;
}

Json split(const Json& subject, Arguments arguments, const std::string& place) {
  return pieces_between(text_of(subject, place), text_of(arguments[0], place), place);
}

Json replace(const Json& subject, Arguments arguments, const std::string& place) {
  return joined(pieces_between(text_of(subject, place), text_of(arguments[0], place), place),
                text_of(arguments[1], place));
}

Json join(const Json& subject, Arguments arguments, const std::string& place) {
  std::vector<std::string> pieces;
  for (const Json& element : list_of(subject, place)) pieces.push_back(text_of(element, place));
  return joined(pieces, arguments.empty() ? std::string() : text_of(arguments[0], place));
}

Json index(const Json& subject, Arguments arguments, const std::string& place) {
  const Json& list = list_of(subject, place);
  const auto found = std::ranges::find(list, arguments[0]);
  if (found == list.end()) {
    bad_input("{}: {} is not among {}", place, arguments[0].dump(), list.dump());
  }
  return found - list.begin();
}

Json first(const Json& subject, Arguments, const std::string& place) {
  if (list_of(subject, place).empty()) bad_input("{}: an empty list has no first element", place);
  return subject.front();
}

Json last(const Json& subject, Arguments, const std::string& place) {
  if (list_of(subject, place).empty()) bad_input("{}: an empty list has no last element", place);
  return subject.back();
}

Json to_integer(const Json& subject, Arguments, const std::string& place) {
  if (subject.is_boolean()) return subject.get<bool>() ? 1 : 0;
  if (subject.is_number_integer()) return subject;
  const std::string text = strip(subject, {}, place).get<std::string>();
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) bad_input("{}: {:?} is not a number", place, text);
  return number;
}

Json as_list(const Json& subject, Arguments, const std::string& place) {
  return list_of(subject, place);
}

struct NamedFunction {
  std::string_view name;
  bool is_method, is_filter;
  size_t least_arguments, most_arguments;
  Json (*call)(const Json&, Arguments, const std::string&);
};

constexpr NamedFunction functions[] = {
    {"strip", true, false, 0, 0, strip},
    {"lstrip", true, false, 0, 0, strip_front},
    {"rstrip", true, false, 0, 0, strip_back},
    {"lower", true, true, 0, 0, lower},
    {"capitalize", true, true, 0, 0, capital},
    {"replace", true, true, 2, 2, replace},
    {"split", true, false, 1, 1, split},
    {"index", true, false, 1, 1, index},
    {"trim", false, true, 0, 0, strip},
    {"join", false, true, 0, 1, join},
    {"first", false, true, 0, 0, first},
    {"last", false, true, 0, 0, last},
    {"int", false, true, 0, 0, to_integer},
    {"list", false, true, 0, 0, as_list},
    {"regex_replace", false, true, 2, 2, nullptr},
};

TemplateFunction regex_replace(std::span<const Json> literals, const std::string& place) {
  if (!literals[0].is_string() || !literals[1].is_string()) {
    bad_input("{}: regex_replace takes two texts in quotes", place);
  }
  const auto replacement = std::make_shared<const RegexReplacement>(literals[0].get_ref<const std::string&>(),
                                                                    literals[1].get_ref<const std::string&>(), place);
  return [replacement](const Json& subject, Arguments, const std::string& where) -> Json {
    return replacement->apply(text_of(subject, where), where);
  };
}

std::string known_names(FunctionForm form) {
  std::vector<std::string> names;
  for (const NamedFunction& function : functions) {
    if (form == FunctionForm::method ? function.is_method : function.is_filter) names.emplace_back(function.name);
  }
  if (form == FunctionForm::filter) names.emplace_back("map");
  std::ranges::sort(names);
  return joined(names, ", ");
}

}  // namespace

TemplateFunction find_function(FunctionForm form, std::string_view name, std::span<const Json> literals,
                               const std::string& place) {
  const std::string_view what = form == FunctionForm::method ? "method" : "filter";
  const auto* found = std::ranges::find_if(functions, [&](const NamedFunction& function) {
    return function.name == name && (form == FunctionForm::method ? function.is_method : function.is_filter);
  });
  if (found == std::end(functions)) {
    bad_input("{}: the {} {:?} is not known; known are {}", place, what, name, known_names(form));
  }
  if (literals.size() < found->least_arguments || literals.size() > found->most_arguments) {
    bad_input("{}: the {} {} takes {}{} arguments, here are {}", place, what, name,
              found->least_arguments < found->most_arguments ? "up to " : "", found->most_arguments, literals.size());
  }
  return found->call == nullptr ? regex_replace(literals, place) : found->call;
}

std::string_view kind_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::boolean:
      return "true or false";
    case Json::value_t::string:
      return "text";
    case Json::value_t::array:
      return "a list";
    case Json::value_t::object:
      return "an object";
    default:
      return "a number";
  }
}

const std::string& text_of(const Json& value, const std::string& place) {
  if (!value.is_string()) bad_input("{}: expected text, found {}", place, kind_of(value));
  return value.get_ref<const std::string&>();
}

const Json& list_of(const Json& value, const std::string& place) {
  if (!value.is_array()) bad_input("{}: expected a list, found {}", place, kind_of(value));
  return value;
}

int64_t integer_of(const Json& value, const std::string& place) {
  const bool fits =
      value.is_number_integer() && (!value.is_number_unsigned() || value.get<uint64_t>() <= uint64_t{INT64_MAX});
  if (!fits) bad_input("{}: expected an integer, found {}", place, kind_of(value));
  return value.get<int64_t>();
}

}  // namespace sleb
