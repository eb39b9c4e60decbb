#include "sleb/report/page/page.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "sleb/report/figures/style.h"
#include "sleb/report/page/comparison.h"
#include "sleb/report/page/sections.h"

namespace sleb::page {
namespace {

using result::ModelState;
using result::PruneResult;

constexpr double widest_path = 760;

// The last part of a path or name, as a title.
std::string short_name(const std::string& model) {
  const size_t end = model.find_last_not_of('/');
  if (end == std::string::npos) return model;
  const size_t slash = model.find_last_of('/', end);
  return shortened(model.substr(slash + 1, end - slash), 60);
}

// Nothing can be loaded from anywhere, whatever a file says.
std::string document(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src "
      "data:\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"generator\" content=\"sleb\">\n<link rel=\"icon\" "
      "href=\"data:,\">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n{}</main>\n"
      "</body>\n</html>\n",
      escaped(title), page_style(), body);
}

const result::TextRow* row_of(const result::TextPerplexity& text, ModelState model) {
  for (const result::TextRow& row : text.rows) {
    if (row.model == model) return &row;
  }
  return nullptr;
}

// "from 17.4 ± 0.5 to 25.1 ± 0.8": what became of perplexity, on the first text that was evaluated, or on the
// calibration text.
std::string cost_in_words(const PruneResult& result) {
  if (!result.texts.empty()) {
    const result::TextPerplexity& text = result.texts.front();
    const result::TextRow *dense = row_of(text, ModelState::dense), *removed = row_of(text, ModelState::removed),
                          *repaired = row_of(text, ModelState::repaired);
    if (dense != nullptr && removed != nullptr) {
      const auto words = [](const result::TextRow& row) {
        return number_text(row.perplexity.value, row.perplexity.error);
      };
      const auto& more = removed->difference;
      return fmt::format("perplexity on {} goes from {} to {}{}{}", shortened(text.text, 60), words(*dense),
                         words(*removed),
                         more ? fmt::format(" ({} nats per token more)", number_text(more->value, more->error)) : "",
                         repaired != nullptr ? fmt::format(", and back to {} with repair", words(*repaired)) : "");
    }
  }
  std::string words = fmt::format("perplexity on the calibration text goes from {} to {}",
                                  number_text(std::exp(result.per_token(result.dense_loss))),
                                  number_text(std::exp(result.per_token(result.loss()))));
  if (result.repair) {
    words += fmt::format(", and back to {} with repair", number_text(std::exp(result.per_token(result.repair->loss))));
  }
  return words;
}

std::string spaced(const RemovalList& list) {
  std::string text;
  for (const Removal& removal : list) text += (text.empty() ? "" : ", ") + text_of(removal);
  return text;
}

std::string gain_in_words(const PruneResult& result) {
  std::vector<std::string> gains;
  if (result.speed && result.speed->dense > 0) {
    gains.push_back(fmt::format("a prompt of {} tokens is read {:.2f} times as fast",
                                count_text(result.speed->prompt_tokens), result.speed->pruned / result.speed->dense));
  }
  if (result.sizes && result.sizes->first.parameters > 0) {
    const double share = 1 - result.sizes->second.parameters / result.sizes->first.parameters;
    gains.push_back(fmt::format("{:.1f}% of the parameters are gone", 100 * share));
  }
  if (gains.empty()) return "";
  return fmt::format(" In return {}.", gains.size() == 2 ? gains[0] + ", and " + gains[1] : gains[0]);
}

std::string sections_of(const PruneResult& result) {
  return map_section(result) + "<div class=\"pair\"><section>\n" + path_section(result) + "</section><section>\n" +
         perplexity_section(result) + "</section><section>\n" + task_section(result) + "</section><section>\n" +
         size_and_speed_section(result) + "</section></div>\n" + repair_section(result) + sets_section(result) +
         record_section(result);
}

}  // namespace

std::string in_a_sentence(const PruneResult& result) {
  return fmt::format("Without {:g} of its {} blocks ({}), {}.{}", blocks_in(result.removal_list), result.num_blocks,
                     shortened(spaced(result.removal_list), 300), cost_in_words(result), gain_in_words(result));
}

std::string page_of(const PruneResult& result) {
  const std::string title = fmt::format("{} without {:g} of {} blocks", short_name(result.model),
                                        blocks_in(result.removal_list), result.num_blocks);
  return document(title, fmt::format("<h1>{}</h1>\n<p class=\"lead\">{}</p>\n{}{}", escaped(title),
                                     escaped(in_a_sentence(result)), gone_figure(result), sections_of(result)));
}

std::string page_of(std::span<const NamedResult> results) {
  if (results.size() == 1) return page_of(*results[0].result);
  std::string body = comparison_sections(results);
  body += "<h2>Each by itself</h2>\n";
  for (const NamedResult& one : results) {
    // What has an id stands once in a page.
    body += fmt::format(
        "<details><summary>{}: {}</summary>\n{}</details>\n", escaped(one.name), escaped(in_a_sentence(*one.result)),
        figure(candidate_map(*one.result, one.result->criterion == "kl" ? Cost::kl : Cost::loss, Medium::page),
               FigureKind::map, one.name + ": what each block adds", "") +
            record_section(*one.result));
  }
  const std::string title = fmt::format("{} results beside each other", results.size());
  return document(title, fmt::format("<h1>{}</h1>\n{}", title, body));
}

std::string picture_of(const PruneResult& result) {
  const Drawing map = candidate_map(result, result.criterion == "kl" ? Cost::kl : Cost::loss, Medium::paper);
  const Drawing path = path_plot(result, std::clamp(map.width(), narrow, widest_path));
  constexpr double margin = 16, heading = 34;
  const double width = std::max(map.width(), path.width()) + 2 * margin;
  Drawing picture(width, map.height() + path.height() + 2 * heading + 2 * margin + 12);
  picture.text(margin + 4, margin + 16, "What each block would cost, round by round", "heading");
  picture.place(map, margin, margin + heading);
  const double below = margin + heading + map.height() + 12;
  picture.text(margin + 4, below + 16, "What removing more costs", "heading");
  picture.place(path, margin, below + heading);
  return picture.file(in_a_sentence(result));
}

std::string picture_of(std::span<const NamedResult> results) {
  if (results.size() == 1) return picture_of(*results[0].result);
  const Drawing lists = removed_lists(results);
  const Drawing path = path_plot(results, std::clamp(lists.width(), narrow, widest_path));
  constexpr double margin = 16, heading = 34;
  Drawing picture(std::max(lists.width(), path.width()) + 2 * margin,
                  lists.height() + path.height() + 2 * heading + 2 * margin + 12);
  picture.text(margin + 4, margin + 16, "Which blocks are gone", "heading");
  picture.place(lists, margin, margin + heading);
  const double below = margin + heading + lists.height() + 12;
  picture.text(margin + 4, below + 16, "What removing more costs", "heading");
  picture.place(path, margin, below + heading);
  return picture.file(fmt::format("{} results beside each other", results.size()));
}

std::string picture_of(const RemovalList& removed, int64_t num_blocks) {
  const Strip strip{"removed", removed, ""};
  const Drawing drawing = strips(std::span(&strip, 1), num_blocks);
  return drawing.file(fmt::format("Without {} of {} blocks", text_of(removed), num_blocks));
}

}  // namespace sleb::page
