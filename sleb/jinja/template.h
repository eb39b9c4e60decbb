// A Jinja template, as far as chat templates and tasks use the language: a subset of Jinja 3.1, which gives the same
// text as in transformers' sandbox or in lm-evaluation-harness, or refuses by name what it does not know.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "sleb/base/json.h"
#include "sleb/jinja/dialect.h"
#include "sleb/jinja/syntax.h"

namespace sleb::jinja {

class Template {
 public:
  // `label` begins error messages. Throws Error(bad_input) with the line for what is no template, is nested too deep,
  // or is longer than a mebibyte.
  Template(std::string_view source, std::string label, Dialect dialect);

  // `variables`: an object. Throws Error(bad_input) with the line for whatever goes wrong, for filters, tests, methods
  // and functions that are not known by their names, for what the template raises itself, and when it takes too many
  // steps or makes too much text. Thread-safe.
  std::string render(const OrderedJson& variables) const;
  // The same over a row's fields; `place` ("piqa.jsonl, line 3") begins error messages.
  std::string render(const Json& fields, const std::string& place) const;
  // Of a template that is a single expression its value, text, number or list; else what render() gives.
  Json value(const Json& fields, const std::string& place) const;

  const std::string& label() const { return label_; }

 private:
  std::string label_;
  Dialect dialect_;
  std::shared_ptr<const Statements> statements_;  // copies share them
};

}  // namespace sleb::jinja
