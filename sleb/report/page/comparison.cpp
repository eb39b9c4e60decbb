#include "sleb/report/page/comparison.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "sleb/base/numbers.h"
#include "sleb/report/page/sections.h"
#include "sleb/report/page/table.h"

namespace sleb::page {
namespace {

using result::ModelState;
using result::PruneResult;

template <typename Value>
bool all_same(std::span<const NamedResult> results, Value value) {
  return std::ranges::all_of(results,
                             [&](const NamedResult& one) { return value(*one.result) == value(*results[0].result); });
}

// What keeps the numbers from being compared, in sentences.
std::string cautions(std::span<const NamedResult> results) {
  std::string text;
  if (!all_same(results, [](const PruneResult& result) { return result.model; })) {
    text += "<p class=\"note\">The results are of different models.</p>\n";
  }
  if (!all_same(results, [](const PruneResult& result) { return result.calibration.ids_sha256; })) {
    text +=
        "<p class=\"note\">The results have different calibration texts: their losses are not of the same tokens, and "
        "only what is added to them can be compared, with care.</p>\n";
  }
  return text;
}

std::vector<std::string> text_names(std::span<const NamedResult> results) {
  std::vector<std::string> names;
  for (const NamedResult& one : results) {
    for (const auto& text : one.result->texts) {
      if (std::ranges::find(names, text.text) == names.end()) names.push_back(text.text);
    }
  }
  return names;
}

// Of the model that the run left: repaired, if it was.
std::optional<result::Measured> final_perplexity(const PruneResult& result, const std::string& name) {
  for (const auto& text : result.texts) {
    if (text.text == name && text.rows.size() > 1) return text.rows.back().perplexity;
  }
  return {};
}

std::string runs_table(std::span<const NamedResult> results) {
  const auto texts = text_names(results);
  std::vector<Column> columns = {
      "result", {"search", true},        {"criterion", true}, "seed", {"removed", true}, {"blocks", true}, "loss",
      "KL",     "calibration perplexity"};
  for (const std::string& text : texts) columns.emplace_back("perplexity on " + shortened(text, 32));
  columns.emplace_back("time");
  HtmlTable table("All results; perplexities are of the model that each left, repaired where it was", columns);
  for (const NamedResult& one : results) {
    const PruneResult& result = *one.result;
    const double loss = result.repair ? result.repair->loss : result.loss();
    std::vector<std::string> cells = {
        word_cell(result.search + (result.repair ? ", repair" : "")),
        word_cell(result.criterion),
        count_cell(result.calibration.seed),
        list_cell(result.removal_list),
        word_cell(fmt::format("{:g} of {}", blocks_in(result.removal_list), result.num_blocks)),
        number_cell(loss),
        number_cell(result::path_of(result).back().kl),
        number_cell(std::exp(result.per_token(loss)))};
    for (const std::string& text : texts) cells.push_back(measured_cell(final_perplexity(result, text)));
    cells.push_back(number_cell(result.seconds, format_seconds(result.seconds)));
    table.add(one.name, cells);
  }
  return table.html();
}

std::string perplexities(std::span<const NamedResult> results) {
  std::vector<DotGroup> groups;
  for (const std::string& name : text_names(results)) {
    DotGroup group{name, {}};
    for (const NamedResult& one : results) {
      for (const auto& text : one.result->texts) {
        if (text.text != name) continue;
        if (group.dots.empty()) group.dots.push_back(dot(ModelState::dense, text.rows[0].perplexity));
        for (size_t i = 1; i < text.rows.size(); ++i) {
          group.dots.push_back(dot(text.rows[i].model, text.rows[i].perplexity));
          group.dots.back().label = one.name;
        }
      }
    }
    groups.push_back(std::move(group));
  }
  if (groups.empty()) return "";
  return "<h2>Perplexity on other text</h2>\n" +
         figure(
             dot_plot(groups, "perplexity", DotAxis::logarithmic), FigureKind::plot, "Perplexity of each result",
             "Bars: one standard error to both sides. Circle: the first result's dense model; square: blocks removed; "
             "diamond: repaired.");
}

}  // namespace

Drawing removed_lists(std::span<const NamedResult> results) {
  int64_t most = 1;
  std::vector<Strip> rows;
  for (const NamedResult& one : results) {
    most = std::max(most, one.result->num_blocks);
    rows.push_back({one.name, one.result->removal_list, fmt::format("loss {}", number_text(one.result->loss()))});
  }
  return strips(rows, most);
}

std::string comparison_sections(std::span<const NamedResult> results) {
  return cautions(results) + runs_table(results) + "<h2>Which blocks are gone</h2>\n" +
         figure(removed_lists(results), FigureKind::map, "Which blocks each result removed", "") +
         "<div class=\"pair\"><section><h2>What removing more costs</h2>\n" +
         figure(path_plot(results), FigureKind::plot, "The paths of all results",
                "Each result from its own dense model on.") +
         "</section><section>" + perplexities(results) + "</section></div>\n";
}

}  // namespace sleb::page
