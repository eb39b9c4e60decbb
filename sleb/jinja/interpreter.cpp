#include "sleb/jinja/interpreter.h"

#include <algorithm>
#include <optional>

#include "sleb/jinja/fault.h"
#include "sleb/jinja/library.h"

namespace sleb::jinja {
namespace {

constexpr int deepest_run = 800;      // statements and expressions within each other, through macros too
constexpr int64_t cost_of_node = 16;  // in the budget's units, of which a byte is one

}  // namespace

Interpreter::Level::Level(Interpreter& interpreter, int line)
    : interpreter_(interpreter), outer_line_(interpreter.line_) {
  interpreter.line_ = line;
  if (++interpreter.level_ > deepest_run) fault("calls and blocks are nested deeper than {} levels", deepest_run);
  interpreter.budget_.spend(cost_of_node);
}

Interpreter::Level::~Level() {
  --interpreter_.level_;
  if (std::uncaught_exceptions() == 0) interpreter_.line_ = outer_line_;  // else the line is where it happened
}

void Scope::set(std::string_view name, Value value) {
  const auto known = std::ranges::find(names, name, [](const auto& entry) { return std::string_view(entry.first); });
  if (known != names.end()) {
    known->second = std::move(value);
  } else {
    names.emplace_back(name, std::move(value));
  }
}

Interpreter::Interpreter(Budget& budget, Variables variables, Dialect dialect) : budget_(budget), dialect_(dialect) {
  const auto given = std::make_shared<Scope>();
  given->names = std::move(variables);
  scope_ = new_scope(given);
}

std::string Interpreter::run(const Statements& statements) {
  std::string out;
  try {
    run(statements, out);
  } catch (const FaultAtLine&) {
    throw;
  } catch (const Fault& found) {
    throw FaultAtLine(found.what(), line_);
  }
  return out;
}

Value Interpreter::value_of(const Expression& expression) {
  try {
    return evaluate_used(expression);
  } catch (const FaultAtLine&) {
    throw;
  } catch (const Fault& found) {
    throw FaultAtLine(found.what(), line_);
  }
}

std::shared_ptr<Scope> Interpreter::new_scope(std::shared_ptr<const Scope> parent) {
  budget_.spend_items(4);
  const auto scope = std::make_shared<Scope>();
  scope->parent = std::move(parent);
  return scope;
}

Value Interpreter::make_namespace(std::vector<std::pair<std::string, Value>> members) {
  budget_.spend_items(4 + members.size());
  namespaces_.push_back(std::make_unique<Namespace>(Namespace{.members = {}}));
  Scope unique;  // of a name given twice, the last value
  for (auto& [name, value] : members) {
    if (name.starts_with('_')) fault("an attribute of a namespace can't begin with \"_\"");
    unique.set(name, std::move(value));
  }
  namespaces_.back()->members = std::move(unique.names);
  return Value(namespaces_.back().get());
}

const Macro* Interpreter::new_macro(std::string name, const Signature& signature, const Statements& body) {
  budget_.spend_items(8);
  macros_.push_back(std::make_unique<const Macro>(
      Macro{.name = std::move(name), .signature = &signature, .body = &body, .scope = scope_}));
  return macros_.back().get();
}

Interpreter::Flow Interpreter::run(const Statements& statements, std::string& out) {
  for (const auto& statement : statements) {
    const Flow flow = run(*statement, out);
    if (flow != Flow::next) return flow;
  }
  return Flow::next;
}

Interpreter::Flow Interpreter::run(const Statement& statement, std::string& out) {
  using Kind = Statement::Kind;
  const Level level(*this, statement.line);
  switch (statement.kind) {
    case Kind::data:
      budget_.spend(static_cast<int64_t>(statement.text.size()));
      out += statement.text;
      break;
    case Kind::output:
      print(evaluate(*statement.expression), out);
      break;
    case Kind::condition:
      return run_condition(statement, out);
    case Kind::loop:
      return run_loop(statement, out);
    case Kind::assign:
      assign(*statement.target, evaluate(*statement.expression), *scope_);
      break;
    case Kind::assign_body: {
      Value text(captured(statement.body));
      assign(*statement.target, statement.expression ? filter_block(*statement.expression, text) : text, *scope_);
      break;
    }
    case Kind::macro:
      scope_->set(statement.text, Value(new_macro(statement.text, statement.signature, statement.body)));
      break;
    case Kind::call:
      run_call(statement, out);
      break;
    case Kind::filter:
      print(filter_block(*statement.expression, Value(captured(statement.body))), out);
      break;
    case Kind::with:
      run_with(statement, out);
      break;
    case Kind::scope:
      return run_in_scope(new_scope(scope_), statement.body, out);
    case Kind::leave:
      return Flow::leave_loop;
    case Kind::next_round:
      return Flow::next_round;
  }
  return Flow::next;
}

Interpreter::Flow Interpreter::run_in_scope(const std::shared_ptr<Scope>& scope, const Statements& statements,
                                            std::string& out) {
  const std::shared_ptr<Scope> outer = std::exchange(scope_, scope);
  const Flow flow = run(statements, out);
  scope_ = outer;
  return flow;
}

// In a scope of its own, as Jinja compiles such blocks.
std::string Interpreter::captured(const Statements& statements) {
  std::string text;
  run_in_scope(new_scope(scope_), statements, text);
  return text;
}

Interpreter::Flow Interpreter::run_condition(const Statement& statement, std::string& out) {
  for (const Statement::Branch& branch : statement.branches) {
    if (!branch.condition || is_true(evaluate_used(*branch.condition))) return run(branch.body, out);
  }
  return Flow::next;
}

Interpreter::Flow Interpreter::run_loop(const Statement& statement, std::string& out) {
  Values items = items_of(budget_, evaluate_used(*statement.expression));
  if (statement.condition) {
    const std::shared_ptr<Scope> outer = scope_;
    std::erase_if(items, [&](const Value& item) {
      scope_ = new_scope(outer);
      assign(*statement.target, item, *scope_);
      return !is_true(evaluate_used(*statement.condition));
    });
    scope_ = outer;
  }
  const int depth = depth_around(items);
  const auto all = std::make_shared<const Values>(std::move(items));
  bool ended_a_round = false;
  for (size_t i = 0; i < all->size(); ++i) {
    const std::shared_ptr<Scope> round = new_scope(scope_);
    assign(*statement.target, (*all)[i], *round);
    round->set("loop", Value(std::make_shared<const Loop>(Loop{.items = all, .index = i, .depth = depth})));
    const Flow flow = run_in_scope(round, statement.body, out);
    if (flow == Flow::leave_loop) break;
    ended_a_round |= flow == Flow::next;
  }
  // As Jinja compiles it: also where every round was left early.
  if (!ended_a_round && !statement.branches.empty()) return run(statement.branches[0].body, out);
  return Flow::next;
}

void Interpreter::run_call(const Statement& statement, std::string& out) {
  const Expression& expression = *statement.expression;
  const Value function = evaluate(*expression.operands[0]);
  Call call = evaluate_arguments(expression.arguments);
  call.keywords.emplace_back("caller", Value(new_macro("caller", statement.signature, statement.body)));
  print(this->call(function, call), out);
}

void Interpreter::run_with(const Statement& statement, std::string& out) {
  const Values values = evaluate_all(statement.values);
  const std::shared_ptr<Scope> inner = new_scope(scope_);
  for (size_t i = 0; i < values.size(); ++i) assign(*statement.targets[i], values[i], *inner);
  run_in_scope(inner, statement.body, out);
}

void Interpreter::assign(const Expression& target, const Value& value, Scope& scope) {
  budget_.spend(static_cast<int64_t>(scope.names.size() / 4));
  if (target.kind == Expression::Kind::name) return scope.set(target.name, value);
  if (target.kind == Expression::Kind::attribute_of_namespace) {
    const Value owner = look_up(target.name);
    if (!owner.is(Value::Kind::name_space)) fault("{:?} is no namespace, whose attributes could be set", target.name);
    if (target.names[0].starts_with('_')) fault("an attribute of a namespace can't begin with \"_\"");
    budget_.spend(static_cast<int64_t>(owner.name_space().members.size() / 4));
    Scope members{.parent = nullptr, .names = std::move(owner.name_space().members)};
    members.set(target.names[0], value);
    owner.name_space().members = std::move(members.names);
    return;
  }
  const Values items = items_of(budget_, value);
  if (items.size() != target.operands.size()) {
    fault("{} values can't be given to {} names", items.size(), target.operands.size());
  }
  for (size_t i = 0; i < items.size(); ++i) assign(*target.operands[i], items[i], scope);
}

void Interpreter::print(const Value& value, std::string& out) {
  out += to_text(budget_, value);
}

Value Interpreter::look_up(const std::string& name) {
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    budget_.spend(static_cast<int64_t>(scope->names.size() / 4) + 1);
    const auto known = std::ranges::find(scope->names, name, &std::pair<std::string, Value>::first);
    if (known != scope->names.end()) return known->second;
  }
  if (auto function = builtin_function(name, dialect_)) return *std::move(function);
  return undefined(dialect_ == Dialect::chat ? fmt::format("{:?} is undefined", name)
                                             : fmt::format("lacks the field {:?}", name));
}

Value Interpreter::call(const Value& function, const Call& call) {
  switch (function.kind()) {
    case Value::Kind::macro:
      return call_macro(function.macro(), call);
    case Value::Kind::builtin:
      return function.builtin().run(*this, call);
    case Value::Kind::method:
      return call_method(*this, function.method(), call);
    case Value::Kind::undefined:
      fault("{}", function.complaint());
    default:
      fault("a {} can't be called", type_name(function));
  }
}

Value Interpreter::call_macro(const Macro& macro, const Call& call) {
  const Level level(*this);
  const Signature& signature = *macro.signature;
  const size_t count = signature.parameters.size();
  if (call.positional.size() > count) {
    fault("{:?} takes {} arguments, not {}", macro.name, count, call.positional.size());
  }
  std::vector<std::optional<Value>> given(call.positional.begin(), call.positional.end());
  given.resize(count);
  const std::shared_ptr<Scope> inside = new_scope(macro.scope);
  for (const auto& [name, value] : call.keywords) {
    const auto place = std::ranges::find(signature.parameters, name);
    if (place == signature.parameters.end()) {
      if (name != "caller") fault("{:?} has no parameter {:?}", macro.name, name);
      inside->set(name, value);
      continue;
    }
    std::optional<Value>& argument = given[static_cast<size_t>(place - signature.parameters.begin())];
    if (argument) fault("{:?} gets {:?} twice", macro.name, name);
    argument = value;
  }
  const std::shared_ptr<Scope> outer = std::exchange(scope_, inside);
  const size_t without_default = count - signature.defaults.size();
  for (size_t i = 0; i < count; ++i) {
    const std::string& name = signature.parameters[i];
    const bool has_default = i >= without_default;
    if (!given[i] && has_default) given[i] = evaluate(*signature.defaults[i - without_default]);
    inside->set(name, given[i] ? *given[i] : undefined(fmt::format("the argument {:?} is not given", name)));
  }
  std::string text;
  run(*macro.body, text);
  scope_ = outer;
  return Value(std::move(text));
}

}  // namespace sleb::jinja
