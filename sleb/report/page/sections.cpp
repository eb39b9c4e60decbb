#include "sleb/report/page/sections.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "sleb/base/numbers.h"
#include "sleb/report/page/table.h"

namespace sleb::page {
namespace {

using result::Candidate;
using result::ModelState;
using result::PruneResult;

// What a map's colours and marks are, for those who cannot see them: all of its numbers.
std::string map_table(const PruneResult& result) {
  std::string tables;
  for (size_t i = 0; i < result.rounds.size(); ++i) {
    const result::Round& round = result.rounds[i];
    HtmlTable table(fmt::format("Round {}: {} was removed", i + 1, text_of(round.removed)),
                    {"block", "loss", "perplexity", "KL", fmt::format("above the winner's {}", result.criterion),
                     "tokens seen", ""});
    for (const Candidate& candidate : round.candidates) {
      const result::Score& score = candidate.score;
      const bool removed = candidate.removal == round.removed;
      table.add(text_of(candidate.removal),
                {number_cell(score.loss), number_cell(std::exp(result.per_token(score.loss))), number_cell(score.kl),
                 measured_cell(score.difference), count_cell(score.tokens),
                 word_cell(removed                                   ? "removed"
                           : result::is_dropped_early(score, result) ? "dropped early"
                           : result::is_near_tie(score)              ? "near tie"
                                                                     : "")},
                removed);
    }
    tables += table.html();
  }
  return tables;
}

std::string details(const std::string& id, const std::string& summary, const std::string& body) {
  return fmt::format("<details id=\"{}\"><summary>{}</summary>\n{}</details>\n", id, escaped(summary), body);
}

std::string size_row_text(double value, bool bytes) {
  return bytes ? format_bytes(static_cast<uint64_t>(value)) : format_count(value);
}

std::string ratio_cell(double pruned, double dense) {
  return dense > 0 ? number_cell(pruned / dense, fmt::format("{:.2f}", pruned / dense)) : "<td>–</td>";
}

std::string entry(const std::string& term, const std::string& text) {
  return text.empty() ? "" : fmt::format("<dt>{}</dt><dd>{}</dd>\n", escaped(term), escaped(text));
}

Dot speed_dot(ModelState model, double median, const std::vector<double>& seconds, int64_t tokens) {
  Dot dot = page::dot(model, {median, {}});
  dot.text = fmt::format("{:.0f}", median);
  if (seconds.empty()) return dot;
  const auto [fastest, slowest] = std::ranges::minmax(seconds);
  if (fastest > 0) dot.bar = {static_cast<double>(tokens) / slowest, static_cast<double>(tokens) / fastest};
  return dot;
}

}  // namespace

std::string figure(const Drawing& drawing, FigureKind kind, const std::string& title, const std::string& caption) {
  const std::string svg = drawing.inlined(title);
  const std::string body = kind == FigureKind::plot
                               ? svg
                               : fmt::format(
                                     "<p class=\"sideways note\">The picture goes on to the right.</p>\n<div "
                                     "class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">{}</div>\n",
                                     escaped(title), svg);
  return fmt::format("<figure class=\"{}\">\n{}<figcaption>{}</figcaption>\n</figure>\n",
                     kind == FigureKind::plot ? "plot" : "map", body, escaped(caption));
}

std::string map_section(const PruneResult& result) {
  const bool by_kl = result.criterion == "kl";
  std::string html =
      "<h2>What each block would cost</h2>\n"
      "<p>Each round leaves out every block that may still go, one at a time. A cell's colour is what that adds to the "
      "model with which the round began.</p>\n"
      "<a class=\"skip\" href=\"#map-numbers\">Skip the maps: the same numbers as tables</a>\n";
  for (const Cost cost : {by_kl ? Cost::kl : Cost::loss, by_kl ? Cost::loss : Cost::kl}) {
    const bool is_kl = cost == Cost::kl;
    html += fmt::format("<h3>{}</h3>\n", is_kl ? "KL divergence from the dense model" : "Loss on the calibration text");
    html += figure(
        candidate_map(result, cost, Medium::page), FigureKind::map,
        is_kl ? "What each block adds to the KL divergence, by round" : "What each block adds to the loss, by round",
        is_kl == by_kl ? "The search chose by this."
                       : "For comparison; the search did not choose by this. Of a candidate that was dropped "
                         "early it is an estimate from its part of the text.");
  }
  return html + details("map-numbers", "All numbers of the maps", map_table(result));
}

std::string path_section(const PruneResult& result) {
  const auto path = result::path_of(result);
  const auto knee = result::knee_of(path);
  std::string caption =
      knee ? fmt::format(
                 "The knee, at {:g} of {:g} blocks, is the point farthest below the straight line from the first "
                 "to the last (Kneedle, on the loss): up to there a block costs less than those behind it.",
                 path[*knee].blocks, path.back().blocks)
           : "The path has no knee: no point is clearly below the straight line from the first to the last.";
  if (!result.best_sets.empty()) caption += " Better sets need not contain each other: each point is a set of its own.";
  HtmlTable table("The path", {"blocks removed", {"removed", true}, "loss", "nats per token", "perplexity", "KL"});
  for (size_t i = 0; i < path.size(); ++i) {
    const auto& point = path[i];
    table.add(fmt::format("{:g}", point.blocks),
              {list_cell(point.removed), number_cell(point.loss), number_cell(point.per_token),
               number_cell(point.perplexity), number_cell(point.kl)},
              knee == i);
  }
  return fmt::format("<h2>What removing more costs</h2>\n{}{}",
                     figure(path_plot(result), FigureKind::plot, "Perplexity and KL against blocks removed", caption),
                     details("path-numbers", "The path as a table", table.html()));
}

std::string gone_figure(const PruneResult& result) {
  const Strip strip{"removed", result.removal_list, ""};
  return figure(strips(std::span(&strip, 1), result.num_blocks), FigureKind::map, "Which blocks are gone", "");
}

std::string sets_section(const PruneResult& result) {
  if (result.best_sets.empty()) return "";
  std::vector<Strip> rows;
  for (const result::BestSet& set : result.best_sets) {
    rows.push_back({fmt::format("{} {}", set.size, result.halves ? "halves" : "blocks"), set.blocks,
                    fmt::format("KL {}", number_text(set.kl))});
  }
  std::string html = "<h2>The best sets</h2>\n" +
                     figure(strips(rows, result.num_blocks), FigureKind::map, "The best set found of each size",
                            "The best set found of each size; the last line is what was removed.");
  if (result.races.empty()) return html;
  return html + "<h3>Races for better sets</h3>\n" +
         figure(
             race_map(result, Medium::page), FigureKind::map, "Candidates of each race",
             "Each race compares sets of one size with the best so far; its cells stand in the order of their score.");
}

std::string perplexity_section(const PruneResult& result) {
  if (result.texts.empty()) return "";
  std::vector<DotGroup> groups;
  std::string tables;
  for (const result::TextPerplexity& text : result.texts) {
    DotGroup group{text.text, {}};
    HtmlTable table(fmt::format("{}, {} {} of {} tokens", text.text, count_text(text.segments),
                                text.segments == 1 ? "segment" : "segments", count_text(text.seqlen)),
                    {"", "perplexity", "nats per token more", "KL"});
    for (const result::TextRow& row : text.rows) {
      group.dots.push_back(dot(row.model, row.perplexity));
      table.add(name_of(row.model),
                {measured_cell(row.perplexity), measured_cell(row.difference), measured_cell(row.divergence)});
    }
    tables += table.html();
    groups.push_back(std::move(group));
  }
  return "<h2>Perplexity on other text</h2>\n" +
         figure(
             dot_plot(groups, "perplexity", DotAxis::logarithmic), FigureKind::plot, "Perplexity of each model",
             "Bars: one standard error to both sides. Differences between models on one text are surer than the bars "
             "look, as they are of the same tokens: the table has their own errors.") +
         tables;
}

std::string task_section(const PruneResult& result) {
  if (result.tasks.empty()) return "";
  std::vector<DotGroup> groups;
  std::string tables;
  for (const result::TaskMetric& task : result.tasks) {
    const std::string title = fmt::format("{}, {}", task.task, task.metric);
    DotGroup group{title, {}};
    HtmlTable table(fmt::format("{}, {} questions", title, count_text(task.questions)),
                    {"", "value", "difference to dense"});
    for (const result::TaskRow& row : task.rows) {
      group.dots.push_back(dot(row.model, row.value));
      table.add(name_of(row.model), {measured_cell(row.value), measured_cell(row.difference)});
    }
    tables += table.html();
    groups.push_back(std::move(group));
  }
  return "<h2>Zero-shot tasks</h2>\n" +
         figure(dot_plot(groups, "value of the metric", DotAxis::linear), FigureKind::plot,
                "Task metrics of each model", "Bars: one standard error to both sides.") +
         details("task-numbers", "The tasks as tables", tables);
}

std::string size_and_speed_section(const PruneResult& result) {
  if (!result.sizes && !result.speed) return "";
  HtmlTable table("Dense and pruned", {"", "dense", "pruned", "ratio"});
  if (result.sizes) {
    const auto& [dense, pruned] = *result.sizes;
    table.add("blocks", {number_cell(dense.blocks, fmt::format("{:g}", dense.blocks)),
                         number_cell(pruned.blocks, fmt::format("{:g}", pruned.blocks)),
                         ratio_cell(pruned.blocks, dense.blocks)});
    for (const auto& [name, member] :
         {std::pair("parameters", &result::Size::parameters), std::pair("bytes", &result::Size::bytes)}) {
      const bool bytes = member == &result::Size::bytes;
      table.add(name, {number_cell(dense.*member, size_row_text(dense.*member, bytes)),
                       number_cell(pruned.*member, size_row_text(pruned.*member, bytes)),
                       ratio_cell(pruned.*member, dense.*member)});
    }
  }
  std::string html = "<h2>Size and speed</h2>\n";
  if (result.speed) {
    const result::Speed& speed = *result.speed;
    table.add("prompt tokens a second",
              {number_cell(speed.dense, fmt::format("{:.0f}", speed.dense)),
               number_cell(speed.pruned, fmt::format("{:.0f}", speed.pruned)), ratio_cell(speed.pruned, speed.dense)});
    const DotGroup group{fmt::format("prompt of {} tokens", count_text(speed.prompt_tokens)),
                         {speed_dot(ModelState::dense, speed.dense, speed.dense_seconds, speed.prompt_tokens),
                          speed_dot(ModelState::removed, speed.pruned, speed.pruned_seconds, speed.prompt_tokens)}};
    html += figure(dot_plot(std::span(&group, 1), "tokens a second", DotAxis::from_zero), FigureKind::plot,
                   "Speed of each model",
                   speed.dense_seconds.empty() ? "The median of several passes."
                                               : "The median of several passes; bars: the slowest and the fastest.");
  }
  return html + table.html();
}

std::string repair_section(const PruneResult& result) {
  if (!result.repair) return "";
  const result::Repair& repair = *result.repair;
  std::string html = fmt::format(
      "<h2>Repair</h2>\n<p>{} of {} output matrices of the kept blocks were fitted to the dense model's hidden states, "
      "in "
      "{}. Perplexity on the calibration text: {} without repair, {} with it.",
      repair.changed, repair.matrices, format_seconds(repair.seconds),
      number_text(std::exp(result.per_token(result.loss()))), number_text(std::exp(result.per_token(repair.loss))));
  if (repair.held_out) {
    html += fmt::format(
        " Behind the last of them the hidden states' error on held-out text went from {} to {} of their size.",
        number_text(repair.held_out->first), number_text(repair.held_out->second));
  }
  return html + "</p>\n";
}

std::string record_section(const PruneResult& result) {
  const result::Calibration& calibration = result.calibration;
  std::string html = "<h2>How it was made</h2>\n<dl>\n";
  html += entry("model", fmt::format("{}, {} blocks", result.model, result.num_blocks));
  html += entry("calibration",
                fmt::format("{}{}, {} segments of {} tokens, seed {}", calibration.dataset,
                            calibration.source.empty() ? "" : " (" + calibration.source + ")",
                            count_text(calibration.segments), count_text(calibration.seqlen), calibration.seed));
  html += entry("SHA-256 of its token ids", calibration.ids_sha256);
  html += entry("search", fmt::format("{}, by {}{}", result.search, result.criterion,
                                      result.confidence ? fmt::format(", confidence {}", *result.confidence) : ""));
  html += entry("units", result.halves ? "halves of blocks" : "blocks");
  html += entry("time", fmt::format("{} in all", format_seconds(result.seconds)));
  for (const auto& [key, value] : result.machine) html += entry(key, value);
  html += entry("removed", text_of(result.removal_list));
  html += "</dl>\n";
  if (!result.command.empty()) html += fmt::format("<pre>{}</pre>\n", escaped(result.command));
  return html;
}

}  // namespace sleb::page
