#include "sleb/report/latency_report.h"

#include <fmt/ranges.h>

#include <cmath>

#include "sleb/base/numbers.h"

namespace sleb {
namespace {

constexpr double milli = 1e3;

// The figures of one model.
struct Figures {
  double mean, deviation, median;  // seconds of a run
  double first_token;              // seconds; generation
  double tokens;                   // that a run reads (prompt) or writes (generation)
  double steps;                    // forward passes of a run
  double speed_up;                 // to the dense model
  double block_speed_up;           // the same without the time that no block takes
  double ideal_speed_up;           // blocks / kept blocks

  double per_second() const { return tokens / mean; }
  double per_step() const { return mean / steps; }
};

bool generates(const LatencyReport& report) {
  return report.options.mode == LatencyMode::generation;
}

// A block that has lost a half is half a block.
double kept_blocks(const LatencyReport& report, size_t model) {
  return static_cast<double>(report.num_blocks) - (model == 0 ? 0 : blocks_in(report.removal_lists[model - 1]));
}

OrderedJson count_json(double blocks) {
  return blocks == std::floor(blocks) ? OrderedJson(static_cast<int64_t>(blocks)) : OrderedJson(blocks);
}

double outside(const LatencyReport& report) {
  return mean(report.comparison.outside.seconds);
}

Figures figures_of(const LatencyReport& report, size_t model) {
  const Latency& latency = report.comparison.models[model];
  const LatencyOptions& options = report.options;
  const double dense = mean(report.comparison.models[0].seconds);
  Figures figures{};
  figures.mean = mean(latency.seconds);
  figures.deviation = standard_deviation(latency.seconds);
  figures.median = median(latency.seconds);
  if (generates(report)) figures.first_token = mean(latency.first_token_seconds);
  figures.tokens =
      static_cast<double>(options.batch * (generates(report) ? options.new_tokens : options.prompt_tokens));
  figures.steps = generates(report) ? static_cast<double>(options.new_tokens) : 1;
  figures.speed_up = dense / figures.mean;
  figures.block_speed_up = (dense - outside(report)) / (figures.mean - outside(report));
  figures.ideal_speed_up = static_cast<double>(report.num_blocks) / kept_blocks(report, model);
  return figures;
}

OrderedJson record_of(const LatencyReport& report, size_t model) {
  const Figures figures = figures_of(report, model);
  OrderedJson record = {{"removal_list", model == 0 ? RemovalList() : report.removal_lists[model - 1]},
                        {"blocks", count_json(kept_blocks(report, model))},
                        {"mean_ms", figures.mean * milli},
                        {"stddev_ms", figures.deviation * milli},
                        {"median_ms", figures.median * milli},
                        {"tokens_per_second", figures.per_second()}};
  if (generates(report)) {
    record["ms_per_token"] = figures.per_step() * milli;
    record["first_token_ms"] = figures.first_token * milli;
  }
  record["outside_blocks_ms"] = outside(report) * milli;
  record["speed_up"] = figures.speed_up;
  record["block_speed_up"] = figures.block_speed_up;
  record["ideal_speed_up"] = figures.ideal_speed_up;
  record["weight_bytes"] = report.weight_bytes[model];
  if (generates(report)) record["kv_cache_bytes"] = report.kv_cache_bytes[model];
  return record;
}

// What all records have in common.
OrderedJson setting_of(const LatencyReport& report) {
  const LatencyOptions& options = report.options;
  OrderedJson setting = {{"model", report.model},
                         {"num_blocks", report.num_blocks},
                         {"dtype", report.compute.dtype},
                         {"packed", report.compute.packed_weights},
                         {"device", report.compute.device},
                         {"threads", report.compute.threads},
                         {"mode", generates(report) ? "generation" : "prompt"},
                         {"batch_size", options.batch},
                         {"prompt_tokens", options.prompt_tokens}};
  if (generates(report)) {
    setting["new_tokens"] = options.new_tokens;
  } else {
    setting["logits"] = options.logits == LogitRows::all ? "all" : "last";
  }
  setting["repeats"] = options.repeats;
  setting["warmups"] = options.warmups;
  setting["seed"] = options.seed;
  return setting;
}

std::string milliseconds(double seconds) {
  return fmt::format("{:.2f}", seconds * milli);
}

Table side_by_side(const LatencyReport& report) {
  const size_t models = report.comparison.models.size();
  std::vector<std::string> columns = {"", "dense"};
  for (size_t i = 1; i < models; ++i) columns.push_back(models == 2 ? "pruned" : fmt::format("pruned {}", i));
  Table table(columns);
  const auto add = [&](const std::string& measure, const auto& cell) {
    std::vector<Cell> cells = {measure};
    for (size_t i = 0; i < models; ++i) cells.emplace_back(cell(i, figures_of(report, i)));
    table.add(std::move(cells));
  };
  add("blocks", [&](size_t i, const Figures&) { return fmt::format("{:g}", kept_blocks(report, i)); });
  add("mean, ms", [](size_t, const Figures& f) { return milliseconds(f.mean); });
  add("standard deviation, ms", [](size_t, const Figures& f) { return milliseconds(f.deviation); });
  add("median, ms", [](size_t, const Figures& f) { return milliseconds(f.median); });
  if (generates(report)) {
    add("first token, ms", [](size_t, const Figures& f) { return milliseconds(f.first_token); });
    add("per token, ms", [](size_t, const Figures& f) { return milliseconds(f.per_step()); });
  }
  add("tokens/s", [](size_t, const Figures& f) { return fmt::format("{:.1f}", f.per_second()); });
  add("outside the blocks, ms", [&](size_t, const Figures&) { return milliseconds(outside(report)); });
  add("speed-up", [](size_t, const Figures& f) { return fmt::format("{:.3f}", f.speed_up); });
  add("speed-up of the blocks", [](size_t, const Figures& f) { return fmt::format("{:.3f}", f.block_speed_up); });
  add("ideal (blocks / kept)", [](size_t, const Figures& f) { return fmt::format("{:.3f}", f.ideal_speed_up); });
  add("weights", [&](size_t i, const Figures&) { return format_bytes(report.weight_bytes[i]); });
  if (generates(report)) {
    add("keys and values", [&](size_t i, const Figures&) { return format_bytes(report.kv_cache_bytes[i]); });
  }
  return table;
}

std::string csv_value(const OrderedJson& value) {
  if (value.is_array()) {
    std::vector<std::string> entries;
    for (const OrderedJson& entry : value) entries.push_back(csv_value(entry));
    return fmt::format("{}", fmt::join(entries, ","));
  }
  return value.is_string() ? value.get<std::string>() : value.dump();
}

Table record_a_line(const std::vector<OrderedJson>& records) {
  std::vector<std::string> columns;
  for (const auto& [name, value] : records[0].items()) columns.push_back(name);
  Table table(columns);
  for (const OrderedJson& record : records) {
    std::vector<Cell> cells;
    for (const auto& [name, value] : record.items()) cells.emplace_back(csv_value(value));
    table.add(std::move(cells));
  }
  return table;
}

}  // namespace

OrderedJson to_json(const LatencyReport& report) {
  OrderedJson json = setting_of(report);
  json["results"] = OrderedJson::array();
  for (size_t i = 0; i < report.comparison.models.size(); ++i) {
    OrderedJson record = record_of(report, i);
    record["seconds"] = report.comparison.models[i].seconds;
    json["results"].push_back(std::move(record));
  }
  return json;
}

std::string latency_table(const LatencyReport& report, TableFormat format) {
  if (format == TableFormat::markdown) return side_by_side(report).text(format);
  std::vector<OrderedJson> records;
  for (size_t i = 0; i < report.comparison.models.size(); ++i) {
    OrderedJson record = setting_of(report);
    record.update(record_of(report, i));
    records.push_back(std::move(record));
  }
  if (format == TableFormat::csv) return record_a_line(records).text(format);
  if (format == TableFormat::json) return OrderedJson(records).dump(2) + "\n";
  std::string lines;
  for (const OrderedJson& record : records) lines += record.dump() + "\n";
  return lines;
}

}  // namespace sleb
