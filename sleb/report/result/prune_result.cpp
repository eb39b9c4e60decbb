#include "sleb/report/result/prune_result.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "sleb/engine/plans/recorded_removals.h"

namespace sleb::result {
namespace {

constexpr int64_t most_blocks = 1024;
constexpr int64_t most_tokens = int64_t{1} << 40;
constexpr double largest_amount = 1e18;

std::string source_in_words(const JsonView& calibration) {
  const auto source = calibration.find("source");
  if (!source) return "";
  std::string words = source->at("repository").string();
  for (const char* key : {"config", "split", "field"}) {
    const std::string value = source->string_or(key, "");
    if (!value.empty()) words += fmt::format(", {} {}", key, value);
  }
  return words;
}

Calibration calibration_of(const JsonView& json) {
  const JsonView calibration = json.at("calibration");
  return {.dataset = calibration.at("dataset").string(),
          .source = source_in_words(calibration),
          .ids_sha256 = calibration.string_or("ids_sha256", ""),
          .segments = calibration.at("segments").integer(1, most_tokens),
          .seqlen = calibration.at("seqlen").integer(1, most_tokens),
          .seed = calibration.integer_or("seed", 0)};
}

Size size_of(const JsonView& size) {
  return {amount(size.at("blocks")), amount(size.at("parameters")), amount(size.at("bytes"))};
}

// A half counts as half a block.
void check_blocks(const JsonView& sizes, const PruneResult& result) {
  const auto before = static_cast<double>(result.num_blocks);
  const double after = before - blocks_in(result.removal_list);
  if (result.sizes->first.blocks != before) sizes.at("dense").at("blocks").fail(fmt::format("not {:g}", before));
  if (result.sizes->second.blocks != after) sizes.at("pruned").at("blocks").fail(fmt::format("not {:g}", after));
}

std::vector<double> repeats(const JsonView& speed, const std::string& key) {
  std::vector<double> seconds;
  const auto list = speed.find(key);
  for (size_t i = 0; list && i < list->size(); ++i) seconds.push_back(amount(list->at(i)));
  return seconds;
}

Speed speed_of(const JsonView& speed) {
  return {.prompt_tokens = speed.at("prompt_tokens").integer(1, most_tokens),
          .dense = amount(speed.at("dense_tokens_per_second")),
          .pruned = amount(speed.at("pruned_tokens_per_second")),
          .dense_seconds = repeats(speed, "dense_seconds"),
          .pruned_seconds = repeats(speed, "pruned_seconds")};
}

// Where nothing was gained, nothing was changed. A mixture has a ridge for each expert.
bool is_changed(const JsonView& matrix) {
  const auto experts = matrix.find("experts");
  if (!experts) return matrix.has("ridge");
  const JsonView ridges = experts->at("ridges");
  if (!ridges.is_array()) ridges.fail("expected a list of ridges");
  bool changed = experts->has("shared_ridge");
  for (size_t i = 0; i < ridges.size(); ++i) changed = changed || !ridges.at(i).is_null();
  return changed;
}

Repair repair_of(const JsonView& json) {
  const JsonView repair = json.at("repair");
  const JsonView matrices = repair.at("matrices");
  if (!matrices.is_array()) matrices.fail("expected a list of matrices");
  Repair found{.loss = amount(json.at("repaired_loss")),
               .matrices = static_cast<int64_t>(matrices.size()),
               .changed = 0,
               .seconds = amount(repair.at("seconds")),
               .held_out = {}};
  for (size_t i = 0; i < matrices.size(); ++i) {
    if (!is_changed(matrices.at(i))) continue;
    ++found.changed;
    if (const auto held_out = matrices.at(i).find("held_out")) {
      found.held_out = {amount(held_out->at("before")), amount(held_out->at("after"))};
    }
  }
  return found;
}

std::vector<std::pair<std::string, std::string>> machine_of(const JsonView& json) {
  std::vector<std::pair<std::string, std::string>> machine = {{"device", json.at("device").string()},
                                                              {"type", json.at("dtype").string()}};
  if (const auto processor = json.find("processor")) machine.emplace_back("processor", processor->string());
  const auto fingerprint = json.find("fingerprint");
  if (!fingerprint) return machine;
  const std::pair<const char*, const char*> entries[] = {
      {"what computes", "cards"}, {"--threads", "threads"}, {"the number of processes", "processes"}, {"sleb", "sleb"}};
  for (const auto& [key, name] : entries) {
    if (const auto value = fingerprint->find(key)) machine.emplace_back(name, value->string());
  }
  return machine;
}

}  // namespace

std::string_view name_of(ModelState state) {
  switch (state) {
    case ModelState::dense:
      return "dense";
    case ModelState::removed:
      return "removed";
    case ModelState::repaired:
      return "repaired";
  }
  return "";
}

double signed_amount(const JsonView& value) {
  const double number = value.number();
  if (std::fabs(number) > largest_amount) value.fail("larger than any such value can be");
  return number;
}

double amount(const JsonView& value) {
  const double number = signed_amount(value);
  if (number < 0) value.fail("must not be negative");
  return number;
}

Measured measured(const JsonView& object, const std::string& value, const std::string& error) {
  const auto found = object.find(error);
  return {signed_amount(object.at(value)), found ? std::optional(amount(*found)) : std::nullopt};
}

double PruneResult::loss() const {
  return best_sets.empty() ? rounds.back().loss : best_sets.back().loss;
}

PruneResult prune_result(const JsonView& json) {
  if (!json.is_object() || !json.has("removal_list")) json.fail("not a result of sleb prune (no removal_list)");
  if (!json.has("steps")) json.fail("no search is recorded in it (no steps): sleb report shows what sleb prune found");
  PruneResult result{};
  result.place = json.place();
  result.model = json.at("model").string();
  result.num_blocks = json.at("num_blocks").integer(1, most_blocks);
  result.halves = json.string_or("units", "block") == "half";
  result.search = json.at("search").string();
  result.criterion = json.at("criterion").string();
  if (const auto confidence = json.find("confidence")) result.confidence = amount(*confidence);
  result.calibration = calibration_of(json);
  result.machine = machine_of(json);
  result.command = json.string_or("command", "");
  result.dense_loss = amount(json.at("dense_loss"));
  result.removal_list = removal_list_from(json.at("removal_list"), result.num_blocks);
  if (result.removal_list.empty()) json.at("removal_list").fail("no block is left out");
  read_search(json, result);
  result.seconds = amount(json.at("seconds"));
  if (const auto sizes = json.find("size")) {
    result.sizes = {size_of(sizes->at("dense")), size_of(sizes->at("pruned"))};
    check_blocks(*sizes, result);
  }
  if (const auto speed = json.find("prompt_speed")) result.speed = speed_of(*speed);
  if (json.has("repair")) result.repair = repair_of(json);
  if (const auto evaluation = json.find("evaluation")) read_evaluation(*evaluation, result);
  return result;
}

}  // namespace sleb::result
