#include "sleb/report/prune_report.h"

#include <fmt/core.h>

#include <filesystem>

#include "sleb/report/numbers.h"

namespace sleb {
namespace {

OrderedJson to_json(const GreedyStep& step, int64_t segments) {
  OrderedJson candidates = OrderedJson::array();
  for (const Candidate& candidate : step.candidates) {
    candidates.push_back({{"block", candidate.block}, {"loss", candidate.loss}, {"segments", segments}});
  }
  return {{"removed", step.removed}, {"loss", step.loss}, {"candidates", candidates}, {"seconds", step.seconds}};
}

OrderedJson to_json(const HeldOut& held_out) {
  return {{"dataset", held_out.name},
          {"tokens", held_out.tokens},
          {"perplexity", {{"dense", held_out.perplexity.dense.perplexity},
                          {"pruned", held_out.perplexity.pruned.perplexity}}},
          {"divergence", held_out.perplexity.pruned.divergence}};
}

double calibration_perplexity(const PruneReport& report, double loss) {
  return perplexity(loss, report.calibration.segments, report.calibration.seqlen);
}

std::string base_name(const std::string& model) {
  const std::filesystem::path path(model);
  return (path.has_filename() ? path : path.parent_path()).stem().string();
}

}  // namespace

OrderedJson to_json(const PruneReport& report) {
  const Corpus& corpus = report.calibration;
  OrderedJson steps = OrderedJson::array();
  for (const GreedyStep& step : report.result.steps) steps.push_back(to_json(step, corpus.segments));
  OrderedJson json = {
      {"model", report.model},
      {"num_blocks", report.num_blocks},
      {"calibration",
       {{"dataset", corpus.name},
        {"tokens", corpus.total_tokens},
        {"segments", corpus.segments},
        {"seqlen", corpus.seqlen},
        {"seed", report.seed},
        {"ids_sha256", corpus.ids_sha256}}},
      {"dtype", report.compute.dtype},
      {"device", report.compute.device},
      {"search", report.search},
      {"dense_loss", report.result.dense_loss},
      {"removal_list", report.result.removal_list()},
      {"steps", steps},
      {"seconds", report.seconds},
  };
  if (report.held_out) json["held_out"] = to_json(*report.held_out);
  if (report.speed) {
    json["prompt_speed"] = {{"prompt_tokens", report.speed->prompt_tokens},
                            {"dense_tokens_per_second", report.speed->dense},
                            {"pruned_tokens_per_second", report.speed->pruned}};
  }
  return json;
}

Table comparison_table(const PruneReport& report) {
  std::vector<std::string> columns = {"model", "blocks", "parameters", "bytes", "calibration ppl"};
  if (report.held_out) columns.insert(columns.end(), {"held-out ppl", "KL"});
  if (report.speed) columns.emplace_back("prompt tok/s");
  Table table(columns);
  const auto add = [&](const std::string& name, const ModelSize& size, double loss, const PerplexityRow* row,
                       double speed) {
    std::vector<std::string> cells = {name, std::to_string(size.blocks),
                                      format_count(static_cast<double>(size.parameters)), format_bytes(size.bytes),
                                      fmt::format("{:.2f}", calibration_perplexity(report, loss))};
    if (report.held_out) {
      cells.push_back(fmt::format("{:.2f}", row->perplexity));
      cells.push_back(fmt::format("{:.3f}", row->divergence));
    }
    if (report.speed) cells.push_back(fmt::format("{:.0f}", speed));
    table.add(std::move(cells));
  };
  const auto* held_out = report.held_out ? &report.held_out->perplexity : nullptr;
  add("dense", report.dense_size, report.result.dense_loss, held_out ? &held_out->dense : nullptr,
      report.speed ? report.speed->dense : 0);
  add("pruned", report.pruned_size, report.result.steps.back().loss, held_out ? &held_out->pruned : nullptr,
      report.speed ? report.speed->pruned : 0);
  return table;
}

std::string model_card(const PruneReport& report) {
  const Corpus& corpus = report.calibration;
  std::string card = fmt::format(
      "---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n- sleb\n- pruned\n---\n\n"
      "# {} without {} of {} blocks\n\n"
      "Transformer blocks {} (numbered as in the original model, in the order of removal) were removed by SLEB\n"
      "(Song et al., ICML 2024, arXiv 2402.09025): round by round the block whose absence raised the loss on the\n"
      "calibration text least. No weight was changed.\n\n",
      base_name(report.model), report.result.steps.size(), report.num_blocks, format_list(report.result.removal_list()));
  card += comparison_table(report).text(TableFormat::markdown);
  card += "\n";
  if (report.held_out) {
    card += fmt::format("Held-out text: {}, {} tokens. KL: divergence of the pruned model's next-token distribution from "
                        "the dense\nmodel's there, nats per token.\n",
                        report.held_out->name, report.held_out->tokens);
  }
  if (report.speed) {
    card += fmt::format("Prompt speed: {} tokens at once, {}, {}.\n", report.speed->prompt_tokens,
                        report.compute.device, report.compute.dtype);
  }
  card += fmt::format("Calibration: {}, {} segments of {} tokens, seed {}.\n\nMade by\n\n```\n{}\n```\n\n"
                      "Every candidate's loss is in `sleb.json`.\n",
                      corpus.name, corpus.segments, corpus.seqlen, report.seed, report.command);
  return card;
}

}  // namespace sleb
