// What tokenizer.json's normalizer, pre_tokenizer and decoder have in common: steps told apart by their type, one or a
// Sequence of them (tokenizers, the enums of *_wrapper.rs).
#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>

#include "sleb/base/json.h"

namespace sleb {

struct StepKind {
  std::string_view name;  // "normalizer", for errors
  const char* members;    // of a Sequence, the name of its list
  size_t most_steps = std::numeric_limits<size_t>::max();
};

// Adds to `steps` what the row of the component's type makes of it, or of each member of a Sequence. A row has a `type`
// and `make`, which takes the component. Throws Error(bad_input) for a type without a row, for too many steps, and what
// `make` throws.
template <typename Rows, typename Steps>
void append_steps(const JsonView& component, const StepKind& kind, const Rows& rows, Steps& steps) {
  const std::string& type = component.at("type").string();
  if (type == "Sequence") {
    const JsonView members = component.at(kind.members);
    for (size_t i = 0; i < members.size(); ++i) append_steps(members.at(i), kind, rows, steps);
    return;
  }
  if (steps.size() == kind.most_steps) {
    component.fail(fmt::format("more than {} {}s in a row", kind.most_steps, kind.name));
  }
  for (const auto& row : rows) {
    if (row.type == type) {
      steps.push_back(row.make(component));
      return;
    }
  }
  component.fail(fmt::format("the {} {:?} is not supported", kind.name, type));
}

}  // namespace sleb
