#include "sleb/report/page/table.h"

#include <fmt/core.h>

#include "sleb/report/figures/drawing.h"

namespace sleb::page {

std::string number_cell(double value, const std::string& text) {
  return fmt::format(R"(<td><data value="{}">{}</data></td>)", exact(value), escaped(text));
}

std::string number_cell(double value) {
  return number_cell(value, number_text(value));
}

std::string count_cell(int64_t count) {
  return fmt::format(R"(<td><data value="{}">{}</data></td>)", count, count_text(count));
}

std::string measured_cell(const std::optional<result::Measured>& measured) {
  if (!measured) return "<td>–</td>";
  return number_cell(measured->value, number_text(measured->value, measured->error));
}

std::string word_cell(std::string_view text) {
  return fmt::format(R"(<td class="words">{}</td>)", escaped(text));
}

std::string list_cell(const RemovalList& list) {
  std::string text;
  for (const Removal& removal : list) text += (text.empty() ? "" : ", ") + text_of(removal);
  return fmt::format(R"(<td class="words list">{}</td>)", text.empty() ? "none" : text);
}

HtmlTable::HtmlTable(std::string_view caption, const std::vector<Column>& columns) : caption_(caption) {
  body_ = fmt::format("<table><caption>{}</caption>\n<thead><tr>", escaped(caption));
  for (const auto& [name, words] : columns) {
    body_ += fmt::format(R"(<th scope="col"{}>{}</th>)", words ? R"( class="words")" : "", escaped(name));
  }
  body_ += "</tr></thead>\n<tbody>\n";
}

void HtmlTable::add(std::string_view heading, const std::vector<std::string>& cells, bool chosen) {
  body_ += fmt::format(R"(<tr{}><th scope="row">{}</th>)", chosen ? R"( class="chosen")" : "", escaped(heading));
  for (const std::string& cell : cells) body_ += cell;
  body_ += "</tr>\n";
}

std::string HtmlTable::html() const {
  return fmt::format(
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">{}</tbody></table></div>\n",
      escaped(caption_), body_);
}

}  // namespace sleb::page
