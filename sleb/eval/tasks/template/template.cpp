#include "sleb/eval/tasks/template/template.h"

#include "sleb/base/error.h"
#include "sleb/eval/tasks/template/functions.h"

namespace sleb {
namespace {

std::string spelled(const Json& value, const std::string& place) {
  return value.is_number_integer() ? std::to_string(integer_of(value, place)) : text_of(value, place);
}

}  // namespace

Template::Template(std::string_view text, std::string place) : place_(std::move(place)) {
  for (const std::string_view mark : {"{%", "{#"}) {
    if (text.find(mark) != text.npos) {
      bad_input("{}: {:?} is not supported; templates consist of text and {{{{ expressions }}}}", place_, mark);
    }
  }
  while (!text.empty()) {
    const size_t begin = text.find("{{");
    if (begin != 0) pieces_.emplace_back(std::string(text.substr(0, begin)));
    if (begin == text.npos) break;
    text.remove_prefix(begin + 2);
    pieces_.emplace_back(parse_expression(text, place_));
    if (!text.starts_with("}}")) bad_input("{}: expected \"}}}}\" at {:?}", place_, text.substr(0, 40));
    text.remove_prefix(2);
  }
}

Json Template::value(const Json& row, const std::string& row_place) const {
  if (pieces_.size() != 1 || !std::holds_alternative<Expression>(pieces_[0])) return text(row, row_place);
  return std::get<Expression>(pieces_[0]).evaluate(row, row_place);
}

std::string Template::text(const Json& row, const std::string& row_place) const {
  std::string result;
  for (const auto& piece : pieces_) {
    if (const auto* expression = std::get_if<Expression>(&piece)) {
      result += spelled(expression->evaluate(row, row_place), row_place);
    } else {
      result += std::get<std::string>(piece);
    }
  }
  return result;
}

}  // namespace sleb
