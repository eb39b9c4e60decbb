#include "sleb/report/prune_report.h"

#include <fmt/core.h>

#include <cmath>
#include <filesystem>

#include "sleb/base/json.h"
#include "sleb/base/numbers.h"
#include "sleb/corpus/self_text_cache.h"
#include "sleb/export/pruned_checkpoint.h"
#include "sleb/report/dataset_report.h"

namespace sleb {
namespace {

void add_score(OrderedJson& json, const PlanScore& score) {
  json.update({{"loss", score.loss},
               {"kl", score.kl},
               {"segments", score.segments},
               {"tokens", score.tokens},
               {"difference", score.difference},
               {"difference_stderr", or_null(score.error)}});
}

OrderedJson to_json(const GreedyStep& step, Units units) {
  OrderedJson candidates = OrderedJson::array();
  for (const Candidate& candidate : step.candidates) {
    candidates.push_back({{"block", removal_of(candidate.unit, units)}});
    add_score(candidates.back(), candidate);
  }
  return {{"removed", removal_of(step.removed, units)},
          {"loss", step.loss},
          {"margin", or_null(step.margin())},
          {"candidates", candidates},
          {"seconds", step.seconds},
          {"operations", step.operations}};
}

RemovalList removals(const UnitSet& set, Units units) {
  return joined_halves(plan_without(set, units));
}

OrderedJson to_json(const SetRace& race, Units units) {
  OrderedJson candidates = OrderedJson::array();
  for (const SetCandidate& candidate : race.candidates) {
    candidates.push_back({{"blocks", removals(candidate.units, units)}});
    add_score(candidates.back(), candidate);
  }
  return {{"step", race.step},
          {"best", removals(race.candidates[race.best].units, units)},
          {"candidates", candidates},
          {"seconds", race.seconds},
          {"operations", race.operations}};
}

void add_best(OrderedJson& json, const BestResult& best, Units units, double budget) {
  json["search_budget"] = {{"budget", budget},
                           {"exact_operations", best.exact_operations},
                           {"counted_operations", best.counted},
                           {"spent", best.out_of_budget}};
  OrderedJson races = OrderedJson::array(), sets = OrderedJson::array();
  for (const SetRace& race : best.races) races.push_back(to_json(race, units));
  for (const FoundSet& set : best.sets) {
    sets.push_back({{units == Units::half ? "halves" : "blocks", set.units.size()},
                    {"removal_list", removals(set.units, units)},
                    {"loss", set.loss},
                    {"kl", set.kl}});
  }
  json["races"] = races;
  json["best_sets"] = sets;
}

OrderedJson to_json(const ModelSize& size) {
  return {{"blocks", size.blocks}, {"parameters", size.parameters}, {"bytes", size.bytes}};
}

OrderedJson calibration_json(const PruneReport& report) {
  const Corpus& corpus = report.calibration;
  OrderedJson json = {{"dataset", corpus.name}};
  add_source(json, corpus.origin);
  json["tokens"] = corpus.total_tokens;
  json["segments"] = corpus.segments;
  json["seqlen"] = corpus.seqlen;
  json["seed"] = report.seed;
  json["ids_sha256"] = corpus.ids_sha256;
  for (const Corpus& part : corpus.parts) json["texts"].push_back(text_json(part));
  return json;
}

double calibration_perplexity(const PruneReport& report, double loss) {
  return perplexity(loss, report.calibration.segments, report.calibration.seqlen);
}

// Counts, too, come as doubles.
OrderedJson number(double value) {
  return value == std::floor(value) && std::fabs(value) < 1e15 ? OrderedJson(static_cast<int64_t>(value))
                                                               : OrderedJson(value);
}

std::string base_name(const PruneReport& report) {
  if (!report.origin.repository.empty()) return report.origin.repository.substr(report.origin.repository.find('/') + 1);
  const std::filesystem::path path(report.model);
  return (path.has_filename() ? path : path.parent_path()).stem().string();
}

// Data sets of the hub.
std::vector<std::string> repositories(const Corpus& text) {
  std::vector<std::string> names;
  if (text.origin) names.push_back(text.origin->repository);
  for (const Corpus& part : text.parts) {
    if (part.origin) names.push_back(part.origin->repository);
  }
  return names;
}

// What the columns of an evaluation's tables are.
std::string explanation(const EvalReport& evaluation) {
  std::string text;
  for (const TextPerplexity& perplexity : evaluation.perplexity) {
    text += fmt::format("Perplexity on {}: {} segments of {} tokens.\n",
                        in_words(perplexity.text.name, perplexity.text.origin), perplexity.text.segments,
                        perplexity.text.seqlen);
  }
  if (!text.empty()) {
    text +=
        "KL is the divergence of the pruned model's next-token distribution from the dense model's, the difference is\n"
        "that of the mean negative log-likelihoods, both in nats a token.\n";
  }
  if (evaluation.tasks) text += "Tasks are asked as lm-evaluation-harness 0.4.13 asks them.\n";
  return text;
}

}  // namespace

OrderedJson to_json(const PruneReport& report) {
  OrderedJson steps = OrderedJson::array();
  for (const GreedyStep& step : report.result.greedy.steps) steps.push_back(to_json(step, report.result.units));
  OrderedJson json = {
      {"model", report.model},
  };
  add_origin(json, report.origin);
  json.update({
      {"num_blocks", report.num_blocks},
      {"calibration", calibration_json(report)},
      {"dtype", report.compute.dtype},
      {"device", report.compute.device},
      {"search", report.search},
      {"confidence", or_null(report.confidence)},
      {"criterion", name_of(report.criterion)},
      {"units", name_of(report.result.units)},
      {"dense_loss", report.result.greedy.dense_loss},
      {"removal_list", report.result.removal_list()},
      {"steps", steps},
      {"seconds", report.seconds},
      {"command", report.command},
      {"size", {{"dense", to_json(report.dense_size)}, {"pruned", to_json(report.pruned_size)}}},
  });
  if (!report.processor.empty()) json["processor"] = report.processor;
  if (report.calibration.self_text) {
    json["calibration"]["dataset"] = "self";
    json["calibration"]["self_text"] = to_json(*report.calibration.self_text);
  }
  if (report.repair) {
    json["repaired_loss"] = report.repair->loss;
    json["repair"] = to_json(report.repair->summary);
  }
  if (report.result.best) add_best(json, *report.result.best, report.result.units, report.budget.value_or(1));
  if (report.size) json["sizes"] = to_json(*report.size, report.num_blocks);
  if (!report.fingerprint.empty()) json["fingerprint"] = report.fingerprint.json();
  if (report.speed) {
    json["prompt_speed"] = {{"prompt_tokens", report.speed->prompt_tokens},
                            {"dense_tokens_per_second", report.speed->dense},
                            {"pruned_tokens_per_second", report.speed->pruned}};
    if (!report.speed->dense_seconds.empty()) {  // one that a stopped run measured is kept without them
      json["prompt_speed"]["dense_seconds"] = report.speed->dense_seconds;
      json["prompt_speed"]["pruned_seconds"] = report.speed->pruned_seconds;
    }
  }
  if (report.evaluation) json["evaluation"] = to_json(*report.evaluation);
  return json;
}

Table comparison_table(const PruneReport& report) {
  const bool repaired = report.repair.has_value();
  Table table(repaired ? std::vector<std::string>{"", "dense", "removed", "repaired", "ratio"}
                       : std::vector<std::string>{"", "dense", "pruned", "ratio"});
  const auto add = [&](const std::string& measure, const std::vector<double>& values, const auto& format) {
    std::vector<Cell> cells = {measure};
    for (const double value : values) cells.emplace_back(format(value), number(value));
    if (repaired && values.size() == 2) cells.push_back(cells.back());  // of the same shape
    const double ratio = values.back() / values.front();
    cells.emplace_back(fmt::format("{:.2f}", ratio), ratio);
    table.add(std::move(cells));
  };
  const auto whole = [](double value) { return fmt::format("{:.0f}", value); };
  const auto fraction = [](double value) { return fmt::format("{:.2f}", value); };
  const auto bytes = [](double value) { return format_bytes(static_cast<uint64_t>(value)); };
  const ModelSize& dense = report.dense_size;
  const ModelSize& pruned = report.pruned_size;
  add("blocks", {dense.blocks, pruned.blocks}, [](double value) { return fmt::format("{:g}", value); });
  add("parameters", {static_cast<double>(dense.parameters), static_cast<double>(pruned.parameters)}, format_count);
  add("bytes", {static_cast<double>(dense.bytes), static_cast<double>(pruned.bytes)}, bytes);
  std::vector<double> perplexities = {calibration_perplexity(report, report.result.greedy.dense_loss),
                                      calibration_perplexity(report, report.result.loss())};
  if (repaired) perplexities.push_back(calibration_perplexity(report, report.repair->loss));
  add("calibration perplexity", perplexities, fraction);
  if (report.speed) add("prompt tokens/s", {report.speed->dense, report.speed->pruned}, whole);
  return table;
}

Table best_sets_table(const PruneReport& report) {
  Table table({report.result.units == Units::half ? "halves" : "blocks", "best set", "calibration perplexity", "KL"});
  for (const FoundSet& set : report.result.best->sets) {
    const double perplexity = calibration_perplexity(report, set.loss);
    const Units units = report.result.units;
    table.add({{std::to_string(set.units.size()), set.units.size()},
               {ranges_text(set.units, units), removals(set.units, units)},
               {fmt::format("{:.2f}", perplexity), perplexity},
               {fmt::format("{:.4f}", set.kl), set.kl}});
  }
  return table;
}

std::vector<NamedTable> tables_of(const PruneReport& report) {
  std::vector<NamedTable> tables = {{"comparison", comparison_table(report)}};
  if (report.size) tables.push_back({"sizes", sizes_table(*report.size, report.num_blocks)});
  if (report.result.best) tables.push_back({"best sets", best_sets_table(report)});
  if (report.evaluation) {
    for (NamedTable& table : tables_of(*report.evaluation)) tables.push_back(std::move(table));
  }
  return tables;
}

std::string model_card(const PruneReport& report) {
  const Corpus& corpus = report.calibration;
  const bool is_greedy = !report.result.best;
  std::string card = card_front_matter(report.origin, repositories(corpus));
  card += fmt::format(
      "# {} without {:g} of {} blocks\n\n"
      "Transformer blocks {} (numbered as in the original model{}) were removed by SLEB\n"
      "(Song et al., ICML 2024, arXiv 2402.09025): {} {} on the\n"
      "calibration text least{}.{}\n\n",
      base_name(report), blocks_in(report.result.removal_list()), report.num_blocks,
      text_of(report.result.removal_list()), is_greedy ? ", in the order of removal" : "",
      is_greedy ? "round by round the block whose absence" : "the set whose absence",
      report.criterion == Criterion::kl ? "changed the distribution of the next token (KL divergence)"
                                        : "raised the loss",
      is_greedy ? "" : ",\nof those that greedy removal, runs of blocks and exchanges came to",
      report.repair ? "" : " No weight was changed.");
  if (report.repair) card += what_was_repaired(report.repair->summary) + "\n";
  card += card_origin(report.origin);
  card += card_picture("What each block would have cost, round by round, and what removing more costs");
  card += text_of(tables_of(report), TableFormat::markdown) + "\n";
  if (report.repair) card += repair_errors(report.repair->summary) + "\n";
  if (report.evaluation) card += explanation(*report.evaluation);
  if (report.speed) {
    card += fmt::format("Prompt speed: {} tokens at once, {}, {}.\n", report.speed->prompt_tokens,
                        report.compute.device, report.compute.dtype);
  }
  card += fmt::format(
      "Calibration: {}, {} segments of {} tokens, seed {}.\n\nMade by\n\n```\n{}\n```\n\n"
      "Every candidate's loss, and how sure each choice was, is in `sleb.json`.\n",
      calibration_in_words(corpus), corpus.segments, corpus.seqlen, report.seed, report.command);
  return card;
}

}  // namespace sleb
