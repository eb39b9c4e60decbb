#include "sleb/jinja/template.h"

#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"
#include "sleb/jinja/fault.h"
#include "sleb/jinja/interpreter.h"
#include "sleb/jinja/parser.h"

namespace sleb::jinja {
namespace {

constexpr size_t longest_template = size_t{1} << 20;
// In bytes made, or sixteenths of a step: a real template spends some thousands, and what its messages hold some times.
constexpr int64_t budget_of_run = int64_t{1} << 27;

// All members of an object.
template <typename AnyJson>
Interpreter::Variables variables_of(Budget& budget, const AnyJson& object) {
  Interpreter::Variables values;
  for (const auto& [name, value] : object.items()) values.emplace_back(name, from_json(budget, value));
  return values;
}

}  // namespace

Template::Template(std::string_view source, std::string label, Dialect dialect)
    : label_(std::move(label)), dialect_(dialect) {
  if (source.size() > longest_template) bad_input("{}: the template of {} bytes is too long", label_, source.size());
  if (!is_valid_utf8(source)) bad_input("{}: the template is not valid UTF-8", label_);
  try {
    statements_ = std::make_shared<const Statements>(parse(source, dialect));
  } catch (const FaultAtLine& found) {
    bad_input("{}: line {} of the template: {}", label_, found.line(), found.what());
  }
}

std::string Template::render(const OrderedJson& variables) const {
  Budget budget(budget_of_run, dialect_ == Dialect::task);
  try {
    return Interpreter(budget, variables_of(budget, variables), dialect_).run(*statements_);
  } catch (const FaultAtLine& found) {
    bad_input("{}: line {} of the template: {}", label_, found.line(), found.what());
  } catch (const Fault& found) {
    bad_input("{}: {}", label_, found.what());
  }
}

std::string Template::render(const Json& fields, const std::string& place) const {
  Budget budget(budget_of_run, dialect_ == Dialect::task);
  try {
    return Interpreter(budget, variables_of(budget, fields), dialect_).run(*statements_);
  } catch (const Fault& found) {
    bad_input("{}: {}", place, found.what());
  }
}

Json Template::value(const Json& fields, const std::string& place) const {
  const bool is_expression = statements_->size() == 1 && statements_->front()->kind == Statement::Kind::output;
  if (!is_expression) return render(fields, place);
  Budget budget(budget_of_run, dialect_ == Dialect::task);
  try {
    Interpreter interpreter(budget, variables_of(budget, fields), dialect_);
    return to_plain_json(budget, interpreter.value_of(*statements_->front()->expression));
  } catch (const Fault& found) {
    bad_input("{}: {}", place, found.what());
  }
}

}  // namespace sleb::jinja
