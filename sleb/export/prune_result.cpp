#include "sleb/export/prune_result.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <cmath>
#include <optional>
#include <set>

#include "sleb/base/error.h"
#include "sleb/base/file.h"

namespace sleb {
namespace {

constexpr int64_t most_blocks = int64_t{1} << 20;
constexpr uint64_t most_bytes = uint64_t{64} << 20;

Removal removal_from(const JsonView& json, int64_t num_blocks) {
  if (!json.is_string()) return json.integer(0, num_blocks - 1);
  RemovalList one;
  try {
    one = parse_removal_list(json.string());
  } catch (const Error&) {  // which does not say where
    one.clear();
  }
  if (one.size() != 1) json.fail("expected a block's number, or a half as \"5.mlp\"");
  if (one[0].block < 0 || one[0].block >= num_blocks) json.fail(fmt::format("not a block of {}", num_blocks));
  return one[0];
}

// The blocks that `next` reads one by one, of a model of which at least a half stays.
class ListReader {
 public:
  explicit ListReader(int64_t num_blocks) : num_blocks_(num_blocks) {}

  void add(const JsonView& json) {
    const Removal removal = removal_from(json, num_blocks_);
    for (const Half half : {Half::attention, Half::mlp}) {
      if (removal.half && removal.half != half) continue;
      if (!halves_.insert({removal.block, half}).second) json.fail(fmt::format("block {} stands twice", removal.block));
    }
    if (std::ssize(halves_) == 2 * num_blocks_) json.fail(fmt::format("all {} blocks; one stays", num_blocks_));
    list_.push_back(removal);
  }
  RemovalList list() && { return std::move(list_); }

 private:
  int64_t num_blocks_;
  std::set<std::pair<int64_t, Half>> halves_;
  RemovalList list_;
};

RemovalList list_from(const JsonView& json, int64_t num_blocks) {
  if (!json.is_array()) json.fail("expected a list of blocks");
  ListReader reader(num_blocks);
  for (size_t i = 0; i < json.size(); ++i) reader.add(json.at(i));
  return std::move(reader).list();
}

size_t halves_in(const Removal& removal) {
  return removal.half ? 1 : 2;
}

size_t halves_in(const RemovalList& list) {
  size_t halves = 0;
  for (const Removal& removal : list) halves += halves_in(removal);
  return halves;
}

}  // namespace

PruneResult::PruneResult(const JsonView& json) : place_(json.place()) {
  if (!json.is_object()) json.fail("expected the object that sleb prune writes");
  model_ = json.at("model").string();
  commit_ = json.string_or("commit", "");
  num_blocks_ = json.at("num_blocks").integer(1, most_blocks);
  is_repaired_ = json.has("repair");
  removal_list_ = list_from(json.at("removal_list"), num_blocks_);
  sets_[halves_in(removal_list_)] = removal_list_;
  if (const auto steps = json.find("steps")) {
    ListReader order(num_blocks_);
    for (size_t i = 0; i < steps->size(); ++i) order.add(steps->at(i).at("removed"));
    order_ = std::move(order).list();
  }
  if (const auto sets = json.find("best_sets")) add_sets(*sets);
  if (const auto sizes = json.find("sizes")) add_sets(sizes->at("sets"));
}

void PruneResult::add_sets(const JsonView& sets) {
  for (size_t i = 0; i < sets.size(); ++i) {
    RemovalList list = list_from(sets.at(i).at("removal_list"), num_blocks_);
    const size_t halves = halves_in(list);
    sets_.try_emplace(halves, std::move(list));
  }
}

std::vector<double> PruneResult::sizes() const {
  std::set<size_t> gone;
  for (const auto& [halves, list] : sets_) gone.insert(halves);
  size_t halves = 0;
  for (const Removal& removal : order_) gone.insert(halves += halves_in(removal));
  gone.erase(0);
  std::vector<double> sizes;
  for (const size_t one : gone) sizes.push_back(static_cast<double>(num_blocks_) - static_cast<double>(one) / 2);
  return sizes;
}

RemovalList PruneResult::set_leaving(double blocks) const {
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
  return std::filesystem::is_directory(path, ignored) ? path / "sleb.json" : path;
}

PruneResult read_prune_result(const std::filesystem::path& path) {
  const std::filesystem::path file = file_of_result(path);
  const Json json = parse_json(read_file(file, most_bytes), file.string());
  return PruneResult(JsonView(json, file.string()));
}

}  // namespace sleb
