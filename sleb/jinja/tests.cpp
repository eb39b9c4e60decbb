// Jinja's tests: what stands behind "is".
#include <algorithm>
#include <array>

#include "sleb/jinja/library.h"
#include "sleb/jinja/operators.h"
#include "sleb/jinja/python_text.h"

namespace sleb::jinja {
namespace {

using Kind = Value::Kind;

bool is_indexable(const Value& value) {
  const bool is_view = value.is(Kind::sequence) && value.sequence().type == Sequence::Type::view;
  return value.is_undefined() || value.is_text() || value.is(Kind::dict) || (value.is(Kind::sequence) && !is_view);
}

bool is_iterable(const Value& value) {
  return is_indexable(value) || value.is(Kind::sequence) || value.is(Kind::generator) || value.is(Kind::loop);
}

// Of a number modulo another, whether it is `remainder`.
bool has_remainder(Interpreter& interpreter, const Value& value, const Value& divisor, int64_t remainder) {
  return equal(interpreter.budget(), arithmetic(interpreter.budget(), "%", value, divisor), Value(remainder));
}

bool has_case(Interpreter& interpreter, const Value& value, bool is_upper) {
  const std::string text = to_text(interpreter.budget(), value);
  const std::string lowered = lower(text), raised = upper(text);
  return text == (is_upper ? raised : lowered) && lowered != raised;
}

struct Row {
  std::string_view name;
  size_t arguments;
  bool (*test)(Interpreter& interpreter, const Value& value, const Values& arguments);
};

template <size_t sign>
bool compared(Interpreter& interpreter, const Value& value, const Values& arguments) {
  constexpr std::array<std::string_view, 7> signs = {"==", "!=", "<", "<=", ">", ">=", "in"};
  return compare(interpreter.budget(), signs[sign], value, arguments[0]);
}

constexpr Row rows[] = {
    {"defined", 0, [](Interpreter&, const Value& v, const Values&) { return !v.is_undefined(); }},
    {"undefined", 0, [](Interpreter&, const Value& v, const Values&) { return v.is_undefined(); }},
    {"none", 0, [](Interpreter&, const Value& v, const Values&) { return v.is_none(); }},
    {"boolean", 0, [](Interpreter&, const Value& v, const Values&) { return v.is(Kind::boolean); }},
    {"true", 0, [](Interpreter&, const Value& v, const Values&) { return v.is(Kind::boolean) && v.boolean(); }},
    {"false", 0, [](Interpreter&, const Value& v, const Values&) { return v.is(Kind::boolean) && !v.boolean(); }},
    {"integer", 0, [](Interpreter&, const Value& v, const Values&) { return v.is(Kind::integer); }},
    {"float", 0, [](Interpreter&, const Value& v, const Values&) { return v.is(Kind::real); }},
    {"number", 0, [](Interpreter&, const Value& v, const Values&) { return v.is_number(); }},
    {"string", 0, [](Interpreter&, const Value& v, const Values&) { return v.is_text(); }},
    {"mapping", 0, [](Interpreter&, const Value& v, const Values&) { return v.is(Kind::dict); }},
    {"sequence", 0, [](Interpreter&, const Value& v, const Values&) { return is_indexable(v); }},
    {"iterable", 0, [](Interpreter&, const Value& v, const Values&) { return is_iterable(v); }},
    {"callable", 0, [](Interpreter&, const Value& v, const Values&) { return v.is_callable() || v.is_undefined(); }},
    {"escaped", 0, [](Interpreter&, const Value& v, const Values&) { return v.is_markup(); }},
    {"lower", 0, [](Interpreter& i, const Value& v, const Values&) { return has_case(i, v, false); }},
    {"upper", 0, [](Interpreter& i, const Value& v, const Values&) { return has_case(i, v, true); }},
    {"even", 0,
     [](Interpreter& i, const Value& v, const Values&) { return has_remainder(i, v, Value(int64_t{2}), 0); }},
    {"odd", 0, [](Interpreter& i, const Value& v, const Values&) { return has_remainder(i, v, Value(int64_t{2}), 1); }},
    {"divisibleby", 1, [](Interpreter& i, const Value& v, const Values& a) { return has_remainder(i, v, a[0], 0); }},
    {"eq", 1, compared<0>},
    {"equalto", 1, compared<0>},
    {"==", 1, compared<0>},
    {"ne", 1, compared<1>},
    {"!=", 1, compared<1>},
    {"lt", 1, compared<2>},
    {"lessthan", 1, compared<2>},
    {"<", 1, compared<2>},
    {"le", 1, compared<3>},
    {"<=", 1, compared<3>},
    {"gt", 1, compared<4>},
    {"greaterthan", 1, compared<4>},
    {">", 1, compared<4>},
    {"ge", 1, compared<5>},
    {">=", 1, compared<5>},
    {"in", 1, compared<6>},
};

}  // namespace

bool apply_test(Interpreter& interpreter, const std::string& name, const Value& input, const Call& call) {
  const auto* const row = std::ranges::find(rows, name, &Row::name);
  if (row == std::end(rows)) fault("the test {:?} is not supported", name);
  if (!call.keywords.empty() || call.positional.size() != row->arguments) {
    fault("the test {:?} takes {} arguments", name, row->arguments);
  }
  return row->test(interpreter, input, call.positional);
}

}  // namespace sleb::jinja
