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

}  // namespace

Template::Template(std::string_view source, std::string label) : label_(std::move(label)) {
  if (source.size() > longest_template) bad_input("{}: the template of {} bytes is too long", label_, source.size());
  if (!is_valid_utf8(source)) bad_input("{}: the template is not valid UTF-8", label_);
  try {
    statements_ = parse(source);
  } catch (const FaultAtLine& found) {
    bad_input("{}: line {} of the template: {}", label_, found.line(), found.what());
  }
}

std::string Template::render(const OrderedJson& variables) const {
  Budget budget(budget_of_run);
  try {
    Interpreter::Variables values;
    for (const auto& [name, value] : variables.items()) values.emplace_back(name, from_json(budget, value));
    return Interpreter(budget, std::move(values)).run(statements_);
  } catch (const FaultAtLine& found) {
    bad_input("{}: line {} of the template: {}", label_, found.line(), found.what());
  } catch (const Fault& found) {
    bad_input("{}: {}", label_, found.what());
  }
}

}  // namespace sleb::jinja
