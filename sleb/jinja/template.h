// A Jinja template, as far as chat templates use the language: a subset of Jinja 3.1 in transformers' sandbox, which
// gives the same text or refuses by name what it does not know.
#pragma once

#include <string>
#include <string_view>

#include "sleb/base/json.h"
#include "sleb/jinja/syntax.h"

namespace sleb::jinja {

class Template {
 public:
  // `label` begins error messages. Throws Error(bad_input) with the line for what is no template, is nested too deep,
  // or is longer than a mebibyte.
  Template(std::string_view source, std::string label);

  // `variables`: an object. Throws Error(bad_input) with the line for whatever goes wrong, for filters, tests, methods
  // and functions that are not known by their names, for what the template raises itself, and when it takes too many
  // steps or makes too much text. Thread-safe.
  std::string render(const OrderedJson& variables) const;

 private:
  std::string label_;
  Statements statements_;
};

}  // namespace sleb::jinja
