// Runs a template's tree.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sleb/jinja/dialect.h"
#include "sleb/jinja/syntax.h"
#include "sleb/jinja/value.h"

namespace sleb::jinja {

// The arguments of a call, evaluated.
struct Call {
  Values positional;
  std::vector<std::pair<std::string, Value>> keywords;
};

class Interpreter;

// A function of the language's own.
struct Builtin {
  std::string_view name;
  Value (*run)(Interpreter& interpreter, const Call& call);
};

// The names of a template, a loop's round or a macro; what is not here is looked for in the parent.
struct Scope {
  std::shared_ptr<const Scope> parent;
  std::vector<std::pair<std::string, Value>> names;

  void set(std::string_view name, Value value);
};

struct Macro {
  std::string name;
  const Signature* signature;
  const Statements* body;
  std::shared_ptr<const Scope> scope;
};

class Interpreter {
 public:
  using Variables = std::vector<std::pair<std::string, Value>>;

  // A statement, an expression or a filter that is being run: how deep they are within each other has a limit. Its line
  // is that of errors.
  class Level {
   public:
    Level(Interpreter& interpreter, int line);
    explicit Level(Interpreter& interpreter) : Level(interpreter, interpreter.line_) {}
    ~Level();
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Interpreter& interpreter_;
    const int outer_line_;
  };

  Interpreter(Budget& budget, Variables variables, Dialect dialect);

  // What the template prints. Throws FaultAtLine.
  std::string run(const Statements& statements);
  // Throws FaultAtLine.
  Value value_of(const Expression& expression);

  // For filters, tests and methods. These throw Fault.
  Budget& budget() { return budget_; }
  Dialect dialect() const { return dialect_; }
  Value call(const Value& function, const Call& call);
  Value attribute(const Value& value, const std::string& name);
  Value item(const Value& value, const Value& key);
  Value make_namespace(std::vector<std::pair<std::string, Value>> members);

 private:
  enum class Flow { next, leave_loop, next_round };
  Flow run(const Statements& statements, std::string& out);
  Flow run(const Statement& statement, std::string& out);
  Flow run_condition(const Statement& statement, std::string& out);
  Flow run_loop(const Statement& statement, std::string& out);
  void run_call(const Statement& statement, std::string& out);
  void run_with(const Statement& statement, std::string& out);
  Flow run_in_scope(const std::shared_ptr<Scope>& scope, const Statements& statements, std::string& out);
  std::string captured(const Statements& statements);
  std::shared_ptr<Scope> new_scope(std::shared_ptr<const Scope> parent);
  const Macro* new_macro(std::string name, const Signature& signature, const Statements& body);
  void assign(const Expression& target, const Value& value, Scope& scope);
  void print(const Value& value, std::string& out);

  Value evaluate(const Expression& expression);
  // For a use that a task's names must be there for: of one that is not, Fault.
  Value evaluate_used(const Expression& expression);
  Values evaluate_all(const Expressions& expressions);
  Value evaluate_dict(const Expression& expression);
  Value evaluate_slice(const Expression& expression);
  Value evaluate_binary(const Expression& expression);
  Value evaluate_concat(const Expression& expression);
  Value evaluate_comparison(const Expression& expression);
  Value filter_block(const Expression& filter, const Value& text);
  Call evaluate_arguments(const CallArguments& arguments);
  Value look_up(const std::string& name);
  Value call_macro(const Macro& macro, const Call& call);

  Budget& budget_;
  const Dialect dialect_;
  std::shared_ptr<Scope> scope_;
  std::vector<std::unique_ptr<Namespace>> namespaces_;
  std::vector<std::unique_ptr<const Macro>> macros_;
  int line_ = 1;
  int level_ = 0;  // of statements and expressions within each other
};

}  // namespace sleb::jinja
