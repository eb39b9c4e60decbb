#include "sleb/jinja/text_filters.h"

#include <charconv>
#include <cmath>

#include "sleb/base/utf8.h"
#include "sleb/jinja/library.h"
#include "sleb/jinja/operators.h"
#include "sleb/jinja/python_text.h"
#include "sleb/jinja/regex_replacement.h"

namespace sleb::jinja {
namespace {

using Kind = Value::Kind;

const Value& defined(const Value& value) {
  if (value.is_undefined()) fault("{}", value.complaint());
  return value;
}
const Value& defined(Value&&) = delete;

// A filter whose text stays safe if it was.
Value rewritten(Interpreter& interpreter, const Value& input, std::string (*rewrite)(std::string_view)) {
  return Value(rewrite(to_text(interpreter.budget(), input)), input.is_markup());
}

// Digits with single "_" between them, and blanks around: as Python reads numbers. Nothing if it is none.
std::optional<std::string> number_text(const std::string& text) {
  std::string found(stripped(text, {}, true, true));
  if (found.starts_with('+') && found.size() > 1 && found[1] != '-') found.erase(0, 1);
  for (size_t i = found.find('_'); i != found.npos; i = found.find('_', i)) {
    const auto is_digit = [&](size_t at) { return at < found.size() && found[at] >= '0' && found[at] <= '9'; };
    if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1)) return {};
    found.erase(i, 1);
  }
  return found.empty() ? std::nullopt : std::optional(found);
}

std::optional<double> real_of(const std::string& text) {
  const auto digits = number_text(text);
  double number = 0;
  if (!digits) return {};
  const char* const end = digits->data() + digits->size();
  const auto result = std::from_chars(digits->data(), end, number);
  if (result.ptr != end) return {};
  if (result.ec != std::errc()) fault("the number {:?} is too large or too small", digits->substr(0, 40));
  return number;
}

Value whole(double number, const Value& otherwise) {
  if (std::isnan(number) || std::isinf(number)) return otherwise;
  if (std::fabs(number) >= 9.2e18) fault("a number is too large");
  return Value(static_cast<int64_t>(number));
}

std::string capitalized_words(std::string_view text) {
  std::string out;
  bool at_start = true;
  for (const std::string_view character : characters_of(text)) {
    const char32_t c = first_character(character);
    out += at_start ? upper(character) : lower(character);
    at_start = c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_python_space(c);
  }
  return out;
}

}  // namespace

Value filter_trim(Interpreter& interpreter, const Value& input, const Call& call) {
  const auto characters = text_argument(bind("trim", call, {"chars"}, 0)[0]);
  return Value(std::string(stripped(to_text(interpreter.budget(), input), characters, true, true)), input.is_markup());
}

Value filter_upper(Interpreter& interpreter, const Value& input, const Call& call) {
  bind("upper", call, {}, 0);
  return rewritten(interpreter, input, upper);
}

Value filter_lower(Interpreter& interpreter, const Value& input, const Call& call) {
  bind("lower", call, {}, 0);
  return rewritten(interpreter, input, lower);
}

Value filter_capitalize(Interpreter& interpreter, const Value& input, const Call& call) {
  bind("capitalize", call, {}, 0);
  return rewritten(interpreter, input, capitalized);
}

Value filter_title(Interpreter& interpreter, const Value& input, const Call& call) {
  bind("title", call, {}, 0);
  const std::string text = to_text(interpreter.budget(), input);
  interpreter.budget().spend_items(text.size());
  return Value(capitalized_words(text));
}

Value filter_string(Interpreter& interpreter, const Value& input, const Call& call) {
  bind("string", call, {}, 0);
  return Value(to_text(interpreter.budget(), input), input.is_markup());
}

Value filter_safe(Interpreter& interpreter, const Value& input, const Call& call) {
  bind("safe", call, {}, 0);
  return Value(to_text(interpreter.budget(), input), true);
}

Value filter_escape(Interpreter& interpreter, const Value& input, const Call& call) {
  bind("escape", call, {}, 0);
  const std::string text = to_text(interpreter.budget(), input);
  interpreter.budget().spend(static_cast<int64_t>(text.size()) * 5);
  return Value(input.is_markup() ? text : html_escaped(text), true);
}

Value filter_replace(Interpreter& interpreter, const Value& input, const Call& call) {
  Budget& budget = interpreter.budget();
  const auto arguments = bind("replace", call, {"old", "new", "count"}, 2);
  const std::string text = to_text(budget, input), from = to_text(budget, *arguments[0]),
                    to = to_text(budget, *arguments[1]);
  const size_t places = from.empty() ? text.size() + 1 : text.size() / from.size();
  budget.spend(static_cast<int64_t>(text.size() + places * to.size()));
  const bool is_limited = arguments[2] && !arguments[2]->is_none();
  return Value(replaced(text, from, to, is_limited ? integer_argument(arguments[2], -1) : -1));
}

// lm_eval/utils.py: re.sub(pattern, repl, string, count).
Value filter_regex_replace(Interpreter& interpreter, const Value& input, const Call& call) {
  const auto arguments = bind("regex_replace", call, {"pattern", "repl", "count"}, 2);
  const auto pattern = text_argument(arguments[0]), by = text_argument(arguments[1]);
  if (!defined(input).is_text() || !pattern || !by) fault("\"regex_replace\" takes strings");
  if (integer_argument(arguments[2], 0) != 0) fault("\"regex_replace\" with a count is not supported");
  std::string text = regex_replacement(*pattern, *by).apply(input.text());
  interpreter.budget().spend(static_cast<int64_t>(text.size()));
  return Value(std::move(text));
}

Value filter_indent(Interpreter& interpreter, const Value& input, const Call& call) {
  Budget& budget = interpreter.budget();
  if (!defined(input).is_text()) fault("a {} can't be indented", type_name(input));
  const auto arguments = bind("indent", call, {"width", "first", "blank"}, 0);
  const bool is_text = arguments[0] && arguments[0]->is_text();
  const int64_t width = is_text ? 0 : integer_argument(arguments[0], 4);
  if (width > 1000) fault("an indent of {} is too much", width);
  const std::string indent =
      is_text ? arguments[0]->text() : std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  const bool first = truth_argument(arguments[1], false), blank = truth_argument(arguments[2], false);
  budget.spend_items(most_lines(input.text()));
  std::vector<std::string> lines = split_lines(input.text() + "\n", false);
  std::string out;
  for (size_t i = 0; i < lines.size(); ++i) {
    budget.spend(static_cast<int64_t>(lines[i].size() + indent.size()) + 1);
    const bool is_indented = i == 0 ? first : blank || !lines[i].empty();
    out += (i == 0 ? "" : "\n") + (is_indented ? indent : std::string()) + lines[i];
  }
  return Value(std::move(out), input.is_markup());
}

Value filter_tojson(Interpreter& interpreter, const Value& input, const Call& call) {
  const auto arguments = bind("tojson", call, {"ensure_ascii", "indent", "separators", "sort_keys"}, 0);
  JsonStyle style{.ensure_ascii = truth_argument(arguments[0], false), .indent = {}};
  style.sort_keys = truth_argument(arguments[3], false);
  if (arguments[1] && !arguments[1]->is_none()) {
    const int64_t width = arguments[1]->is_text() ? 0 : integer_argument(arguments[1], 0);
    if (width > 1000) fault("an indent of {} is too much", width);
    style.indent = arguments[1]->is_text() ? arguments[1]->text()
                                           : std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
    style.item_separator = ",";
  }
  if (arguments[2] && !arguments[2]->is_none()) {
    const Values parts = items_of(interpreter.budget(), *arguments[2]);
    if (parts.size() != 2 || !parts[0].is_text() || !parts[1].is_text()) fault("\"separators\" takes two strings");
    style.item_separator = parts[0].text();
    style.key_separator = parts[1].text();
  }
  return Value(to_json(interpreter.budget(), defined(input), style));
}

Value filter_int(Interpreter&, const Value& input, const Call& call) {
  const auto arguments = bind("int", call, {"default", "base"}, 0);
  Value otherwise = arguments[0].value_or(Value(int64_t{0}));
  const int64_t base = integer_argument(arguments[1], 10);
  if (base != 10) fault("\"int\" is supported only to the base 10");
  if (defined(input).is(Kind::real)) return whole(input.number(), otherwise);
  if (input.is_number()) return Value(input.integer());
  if (!input.is_text()) return otherwise;
  if (const auto digits = number_text(input.text())) {
    int64_t number = 0;
    const char* const end = digits->data() + digits->size();
    const auto result = std::from_chars(digits->data(), end, number);
    if (result.ptr == end && result.ec == std::errc()) return Value(number);
    if (result.ptr == end) fault("the number {:?} is too large", digits->substr(0, 40));
  }
  const auto number = real_of(input.text());
  return number ? whole(*number, otherwise) : otherwise;
}

Value filter_float(Interpreter&, const Value& input, const Call& call) {
  const auto arguments = bind("float", call, {"default"}, 0);
  if (defined(input).is_number()) return Value(input.number());
  const auto number = input.is_text() ? real_of(input.text()) : std::nullopt;
  return number ? Value(*number) : arguments[0].value_or(Value(0.0));
}

Value filter_abs(Interpreter& interpreter, const Value& input, const Call& call) {
  bind("abs", call, {}, 0);
  if (!defined(input).is_number()) fault("a {} has no \"abs\"", type_name(input));
  const bool is_negative = less(interpreter.budget(), input, Value(int64_t{0}));
  return negated(is_negative ? "-" : "+", input);
}

Value filter_round(Interpreter& interpreter, const Value& input, const Call& call) {
  const auto arguments = bind("round", call, {"precision", "method"}, 0);
  const int64_t precision = integer_argument(arguments[0], 0);
  const std::string method = arguments[1] ? to_text(interpreter.budget(), *arguments[1]) : "common";
  if (!defined(input).is_number()) fault("a {} can't be rounded", type_name(input));
  if (precision < 0 || precision > 30) fault("rounding to {} places is not supported", precision);
  const double number = input.number();
  if (method == "common") {
    if (!input.is(Kind::real)) return Value(input.integer());
    if (std::isnan(number) || std::isinf(number)) return input;
    return Value(std::strtod(fmt::format("{:.{}f}", number, precision).c_str(), nullptr));
  }
  if (method != "floor" && method != "ceil") fault("\"round\" has no method {:?}", method);
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double moved = number * scale;
  // Python's floor and ceil give whole numbers.
  if (!(std::fabs(moved) < 9e18)) fault("a number is too large");
  return Value((method == "floor" ? std::floor(moved) : std::ceil(moved)) / scale);
}

}  // namespace sleb::jinja
