#include "sleb/report/run_record.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <cmath>
#include <numeric>

namespace sleb {
namespace {

// As Python prints a list.
std::string list_text(const RemovalList& list) {
  std::vector<std::string> entries;
  for (const Removal& removal : list) entries.push_back(text_of(removal));
  return fmt::format("[{}]", fmt::join(entries, ", "));
}

// As Python prints a float.
std::string float_text(double value) {
  if (value == std::floor(value) && std::fabs(value) < 1e16) return fmt::format("{:.1f}", value);
  return fmt::format("{}", value);
}

std::string title_of(const std::string& text) {
  if (text == "wikitext2") return "WikiText-2";
  return text == "c4" ? "C4" : text;
}

// A task's metrics as lm-evaluation-harness names them in a dictionary, as Python prints it.
std::string results_text(const LoadedTask& task, const TaskResult& result) {
  std::string text = fmt::format("{{'alias': '{}'", task.task.name);
  for (const MetricResult& metric : result.metrics) {
    const std::string_view name = metric_name(metric.metric);
    const auto& error = metric.estimate.standard_error;
    text += fmt::format(", '{},none': {}, '{}_stderr,none': {}", name, float_text(metric.estimate.value), name,
                        error ? float_text(*error) : "'N/A'");
  }
  return text + "}";
}

// `row`: 0 the dense model, else the removal list's place from 1 on.
std::string perplexities(const EvalReport& report, size_t row, std::string_view equals, std::string_view end) {
  std::string text;
  for (const TextPerplexity& perplexity : report.perplexity) {
    text += fmt::format("{} PPL{} {:.2f}{}", title_of(perplexity.text.name), equals,
                        perplexity.result.rows[row].perplexity.value, end);
  }
  return text;
}

std::string zero_shot(const EvalReport& report, size_t row) {
  if (!report.tasks) return "";
  std::string text = "Zero-shot results: \n";
  for (size_t i = 0; i < report.tasks->tasks.size(); ++i) {
    const LoadedTask& task = report.tasks->tasks[i];
    text += fmt::format("{}: {}\n", task.task.name, results_text(task, report.tasks->run.results[row][i]));
  }
  return text;
}

double mean_ms(const Latency& latency) {
  const double sum = std::accumulate(latency.seconds.begin(), latency.seconds.end(), 0.0);
  return 1000 * sum / static_cast<double>(latency.seconds.size());
}

// "NVIDIA H100 PCIe, libtorch 2.11.0" without what comes after the card.
std::string card_of(const Compute& compute) {
  const std::string arithmetic = arithmetic_of(compute);
  return arithmetic.empty() ? "none" : arithmetic.substr(0, arithmetic.rfind(", libtorch"));
}

}  // namespace

std::string run_record(const PruneReport& report) {
  std::string text = fmt::format(
      "Time Elapsed: {}\nModel Name: {}\n# Total Blocks: {}\n# Remove Blocks: {:g}\nDataset: {}\nSeed: {}\n"
      "Barriers: early {} / latter {}\nBlock Removal Order: {}\n",
      float_text(report.seconds), report.model, report.num_blocks, blocks_in(report.result.removal_list()),
      report.calibration.name, report.seed, report.early_barrier, report.latter_barrier,
      list_text(report.result.removal_list()));
  if (report.evaluation) {
    const size_t last = report.evaluation->removal_lists.size();  // of what is written
    text += perplexities(*report.evaluation, last, " =", "\n") + zero_shot(*report.evaluation, last);
  }
  return text + "\n";
}

std::string run_record(const EvalReport& report) {
  std::string text;
  const size_t first = report.removal_lists.empty() ? 0 : 1;
  for (size_t row = first; row <= report.removal_lists.size(); ++row) {
    const RemovalList list = row == 0 ? RemovalList() : report.removal_lists[row - 1];
    text += fmt::format("Model Name: {}\nBlock Removal Order: {}\n", report.model, list_text(list));
    if (report.tasks) {
      text += perplexities(report, row, ":", "\n") + zero_shot(report, row) + "\n";
    } else {
      text += perplexities(report, row, ":", " ");
      text.back() = '\n';
      text += '\n';
    }
  }
  return text;
}

std::string run_record(const LatencyReport& report) {
  std::string text;
  const bool generates = report.options.mode == LatencyMode::generation;
  const double dense = mean_ms(report.comparison.models[0]);
  for (size_t i = 0; i < report.removal_lists.size(); ++i) {
    const double pruned = mean_ms(report.comparison.models[i + 1]);
    const double share = blocks_in(report.removal_lists[i]) / static_cast<double>(report.num_blocks);
    const std::string ratio = report.removal_ratio ? float_text(*report.removal_ratio) : fmt::format("{:.2g}", share);
    const std::string card = card_of(report.compute);
    text += fmt::format(  // "Infernce" is what stands in those files
        "Current GPU: {}, # GPU: {}, Model Name: {}, Infernce type : {}, Dense Latency: {:.2f}ms, SLEB {} Latency: "
        "{:.2f}ms, Speedup: x{:.2f}\n",
        card, card == "none" ? 0 : 1 + report.compute.more_devices.size(), report.model,
        generates ? "Token Generation" : "Prompt Processing", dense, ratio, pruned, dense / pruned);
  }
  return text;
}

}  // namespace sleb
