#include "sleb/export/result_sets.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <set>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/engine/plans/recorded_removals.h"
#include "sleb/export/gguf/gguf_output.h"
#include "sleb/export/output_folder.h"

namespace sleb {
namespace {

constexpr int64_t most_blocks = int64_t{1} << 20;
constexpr uint64_t most_bytes = uint64_t{64} << 20;

size_t halves_in(const Removal& removal) {
  return removal.half ? 1 : 2;
}

size_t halves_in(const RemovalList& list) {
  size_t halves = 0;
  for (const Removal& removal : list) halves += halves_in(removal);
  return halves;
}

}  // namespace

ResultSets::ResultSets(const JsonView& json) : place_(json.place()) {
  if (!json.is_object()) json.fail("expected the object that sleb prune writes");
  model_ = json.at("model").string();
  commit_ = json.string_or("commit", "");
  if (const auto fingerprint = json.find("fingerprint")) fingerprint_ = fingerprint->string_or("the model", "");
  num_blocks_ = json.at("num_blocks").integer(1, most_blocks);
  is_repaired_ = json.has("repair");
  removal_list_ = removal_list_from(json.at("removal_list"), num_blocks_);
  sets_[halves_in(removal_list_)] = removal_list_;
  if (const auto steps = json.find("steps")) {
    RemovalListReader order(num_blocks_);
    for (size_t i = 0; i < steps->size(); ++i) order.add(steps->at(i).at("removed"));
    order_ = order.list();
  }
  if (const auto sets = json.find("best_sets")) add_sets(*sets);
  if (const auto sizes = json.find("sizes")) add_sets(sizes->at("sets"));
}

void ResultSets::add_sets(const JsonView& sets) {
  for (size_t i = 0; i < sets.size(); ++i) {
    RemovalList list = removal_list_from(sets.at(i).at("removal_list"), num_blocks_);
    const size_t halves = halves_in(list);
    sets_.try_emplace(halves, std::move(list));
  }
}

std::vector<double> ResultSets::sizes() const {
  std::set<size_t> gone;
  for (const auto& [halves, list] : sets_) gone.insert(halves);
  size_t halves = 0;
  for (const Removal& removal : order_) gone.insert(halves += halves_in(removal));
  gone.erase(0);
  std::vector<double> sizes;
  for (const size_t one : gone) sizes.push_back(static_cast<double>(num_blocks_) - static_cast<double>(one) / 2);
  return sizes;
}

RemovalList ResultSets::set_leaving(double blocks) const {
  const double gone = 2 * (static_cast<double>(num_blocks_) - blocks);
  for (const auto& [halves, list] : sets_) {
    if (static_cast<double>(halves) == gone && halves > 0) return list;
  }
  size_t halves = 0;
  for (size_t i = 0; i < order_.size(); ++i) {
    halves += halves_in(order_[i]);
    if (static_cast<double>(halves) == gone) return {order_.begin(), order_.begin() + static_cast<ptrdiff_t>(i) + 1};
  }
  const std::vector<double> there = sizes();
  if (there.empty()) bad_input("{}: no block is left out there", place_);
  bad_input("{}: has no set that leaves {:g} of {} blocks; there are sets that leave {:g}", place_, blocks, num_blocks_,
            fmt::join(there, ", "));
}

std::filesystem::path file_of_result(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored) || is_gguf_output(path) ? record_of(path) : path;
}

Json read_result(const std::filesystem::path& file) {
  return parse_json(read_file(file, most_bytes), file.string());
}

ResultSets read_result_sets(const std::filesystem::path& path) {
  const std::filesystem::path file = file_of_result(path);
  const Json json = read_result(file);
  return ResultSets(JsonView(json, file.string()));
}

}  // namespace sleb
