// The interpreter's part that runs expressions.
#include <algorithm>

#include "sleb/jinja/fault.h"
#include "sleb/jinja/interpreter.h"
#include "sleb/jinja/library.h"
#include "sleb/jinja/operators.h"
#include "sleb/jinja/python_text.h"

namespace sleb::jinja {

Value Interpreter::evaluate_used(const Expression& expression) {
  Value value = evaluate(expression);
  if (dialect_ == Dialect::task && value.is_undefined()) fault("{}", value.complaint());
  return value;
}

Value Interpreter::evaluate(const Expression& expression) {
  const Level level(*this, expression.line);
  using Kind = Expression::Kind;
  switch (expression.kind) {
    case Kind::constant:
      return expression.value;
    case Kind::name:
      return look_up(expression.name);
    case Kind::list:
      return make_list(budget_, evaluate_all(expression.operands));
    case Kind::tuple:
      return make_list(budget_, evaluate_all(expression.operands), Sequence::Type::tuple);
    case Kind::dict:
      return evaluate_dict(expression);
    case Kind::attribute:
      return attribute(evaluate(*expression.operands[0]), expression.name);
    case Kind::item: {
      const Value owner = evaluate(*expression.operands[0]);
      return item(owner, evaluate(*expression.operands[1]));
    }
    case Kind::slice:
      return evaluate_slice(expression);
    case Kind::call: {
      const Value function = evaluate(*expression.operands[0]);
      return call(function, evaluate_arguments(expression.arguments));
    }
    case Kind::filter:
      return apply_filter(*this, expression.name,
                          expression.name == "default" || expression.name == "d"
                              ? evaluate(*expression.operands[0])
                              : evaluate_used(*expression.operands[0]),
                          evaluate_arguments(expression.arguments));
    case Kind::test: {
      const bool asks_for_it = expression.name == "defined" || expression.name == "undefined";
      const Value input = asks_for_it ? evaluate(*expression.operands[0]) : evaluate_used(*expression.operands[0]);
      return Value(apply_test(*this, expression.name, input, evaluate_arguments(expression.arguments)));
    }
    case Kind::unary: {
      const Value operand = evaluate_used(*expression.operands[0]);
      return expression.name == "not" ? Value(!is_true(operand)) : negated(expression.name, operand);
    }
    case Kind::binary:
      return evaluate_binary(expression);
    case Kind::concat:
      return evaluate_concat(expression);
    case Kind::comparison:
      return evaluate_comparison(expression);
    case Kind::conditional:
      if (is_true(evaluate_used(*expression.operands[1]))) return evaluate(*expression.operands[0]);
      return expression.operands[2] ? evaluate(*expression.operands[2])
                                    : undefined("the condition does not hold, and there is no \"else\"");
    case Kind::attribute_of_namespace:
      break;
  }
  fault("an expression of this kind has no value");
}

Values Interpreter::evaluate_all(const Expressions& expressions) {
  Values values;
  for (const auto& expression : expressions) values.push_back(evaluate(*expression));
  return values;
}

Value Interpreter::evaluate_dict(const Expression& expression) {
  std::vector<std::pair<Value, Value>> members;
  for (size_t i = 0; i < expression.operands.size(); i += 2) {
    Value key = evaluate(*expression.operands[i]);
    members.emplace_back(std::move(key), evaluate(*expression.operands[i + 1]));
  }
  return make_dict(budget_, std::move(members));
}

Value Interpreter::evaluate_slice(const Expression& expression) {
  Values parts;
  for (const auto& operand : expression.operands) parts.push_back(operand ? evaluate(*operand) : Value());
  return slice(budget_, parts[0], parts[1], parts[2], parts[3]);
}

Value Interpreter::evaluate_binary(const Expression& expression) {
  const Value left = evaluate_used(*expression.operands[0]);
  if (expression.name == "and") return is_true(left) ? evaluate(*expression.operands[1]) : left;
  if (expression.name == "or") return is_true(left) ? left : evaluate(*expression.operands[1]);
  return arithmetic(budget_, expression.name, left, evaluate_used(*expression.operands[1]));
}

Value Interpreter::evaluate_concat(const Expression& expression) {
  std::string text;
  for (const auto& part : expression.operands) text += to_text(budget_, evaluate(*part));
  return Value(std::move(text));
}

Value Interpreter::evaluate_comparison(const Expression& expression) {
  Value left = evaluate_used(*expression.operands[0]);
  for (size_t i = 0; i < expression.names.size(); ++i) {
    Value right = evaluate_used(*expression.operands[i + 1]);
    if (!compare(budget_, expression.names[i], left, right)) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

// The innermost of several filters in a row has no operand: it gets the block's text.
Value Interpreter::filter_block(const Expression& filter, const Value& text) {
  const Level level(*this, filter.line);
  const Value input = filter.operands[0] ? filter_block(*filter.operands[0], text) : text;
  return apply_filter(*this, filter.name, input, evaluate_arguments(filter.arguments));
}

Call Interpreter::evaluate_arguments(const CallArguments& arguments) {
  Call call{.positional = evaluate_all(arguments.positional), .keywords = {}};
  for (const auto& [name, value] : arguments.keywords) call.keywords.emplace_back(name, evaluate(*value));
  if (arguments.more_positional) {
    for (Value& value : items_of(budget_, evaluate(*arguments.more_positional))) call.positional.push_back(value);
  }
  if (!arguments.more_keywords) return call;
  const Value more = evaluate(*arguments.more_keywords);
  if (!more.is(Value::Kind::dict)) fault("only a dict can stand behind \"**\"");
  for (const auto& [name, value] : more.dict().members) {
    if (!name.is_text()) fault("a {} can't be the name of an argument", type_name(name));
    call.keywords.emplace_back(name.text(), value);
  }
  return call;
}

namespace {

std::optional<Value> loop_attribute(const Loop& loop, std::string_view name) {
  const auto index = static_cast<int64_t>(loop.index), count = static_cast<int64_t>(loop.items->size());
  if (name == "index") return Value(index + 1);
  if (name == "index0") return Value(index);
  if (name == "revindex") return Value(count - index);
  if (name == "revindex0") return Value(count - index - 1);
  if (name == "first") return Value(index == 0);
  if (name == "last") return Value(index + 1 == count);
  if (name == "length") return Value(count);
  if (name == "depth") return Value(int64_t{1});  // of "recursive", which is not supported
  if (name == "depth0") return Value(int64_t{0});
  if (name == "previtem") return index == 0 ? undefined("there is no previous item") : (*loop.items)[loop.index - 1];
  if (name == "nextitem")
    return index + 1 == count ? undefined("there is no next item") : (*loop.items)[loop.index + 1];
  return {};
}

std::optional<Value> member_of(Budget& budget, const Value& value, const std::string& name) {
  if (value.is(Value::Kind::loop)) return loop_attribute(value.loop(), name);
  if (value.is(Value::Kind::name_space)) {
    for (const auto& [known, member] : value.name_space().members) {
      budget.spend(1);
      if (known == name) return member;
    }
  }
  return {};
}

}  // namespace

// Python's attribute first, then what is stored under the name.
Value Interpreter::attribute(const Value& value, const std::string& name) {
  if (value.is_undefined()) fault("{}", value.complaint());
  if (auto member = member_of(budget_, value, name)) return *std::move(member);
  const MethodKind kind = method_kind(value, name);
  if (kind == MethodKind::allowed) return Value(std::make_shared<const Method>(Method{.self = value, .name = name}));
  if (kind == MethodKind::changes_its_object) return undefined(fmt::format("a template may not call {:?}", name));
  if (value.is(Value::Kind::dict)) {
    if (const Value* const member = value.dict().find(budget_, name)) return *member;
  }
  return undefined(fmt::format("a {} has no {:?}", type_name(value), name));
}

Value Interpreter::item(const Value& value, const Value& key) {
  if (value.is_undefined()) fault("{}", value.complaint());
  if (value.is(Value::Kind::dict)) {
    if (const Value* const member = value.dict().find(budget_, key)) return *member;
  }
  if (key.is_text()) {
    return value.is(Value::Kind::dict) && method_kind(value, key.text()) == MethodKind::none
               ? undefined(fmt::format("a dict has no {:?}", key.text()))
               : attribute(value, key.text());
  }
  const bool is_place = key.is(Value::Kind::integer) || key.is(Value::Kind::boolean);
  const bool is_list = value.is(Value::Kind::sequence) && value.sequence().type != Sequence::Type::view;
  if (is_place && (is_list || value.is_text())) {
    budget_.spend(is_list ? 1 : static_cast<int64_t>(value.text().size()) / 16);
    const int64_t size = is_list ? size_of(value) : length_of(value.text());
    const int64_t index = key.integer() < 0 ? key.integer() + size : key.integer();
    if (index >= 0 && index < size) {
      if (is_list) return value.sequence().items[static_cast<size_t>(index)];
      return slice(budget_, value, Value(index), Value(index + 1), Value());
    }
  }
  return undefined(fmt::format("a {} has no such item", type_name(value)));
}

}  // namespace sleb::jinja
