// Templates of tasks: text with {{ expressions }} over the fields of a row, in a part of Jinja that
// lm-evaluation-harness writes its tasks in. What is read here means the same there.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/eval/tasks/template/expression.h"

namespace sleb {

class Template {
 public:
  // `place` ("tasks.json: piqa.prompt") begins error messages. Throws Error(bad_input) for what can't be read.
  Template(std::string_view text, std::string place);

  // Text; for a template that is a single expression, its value, which may be a list or a number. `row_place`
  // ("piqa.jsonl, line 3") begins error messages. Throws Error(bad_input) for fields that the row lacks and values of
  // the wrong kind.
  Json value(const Json& row, const std::string& row_place) const;
  // As text: numbers as in decimal.
  std::string text(const Json& row, const std::string& row_place) const;

  const std::string& place() const { return place_; }

 private:
  std::vector<std::variant<std::string, Expression>> pieces_;
  std::string place_;
};

}  // namespace sleb
