#include "sleb/engine/plans/recorded_removals.h"

#include <fmt/core.h>

#include <optional>

#include "sleb/base/error.h"

namespace sleb {
namespace {

std::optional<Removal> removal_in(const JsonView& json) {
  if (!json.is_string()) return Removal(json.integer());
  try {
    const RemovalList one = parse_removal_list(json.string());
    return one.size() == 1 ? std::optional(one[0]) : std::nullopt;
  } catch (const Error&) {  // which does not say where
    return {};
  }
}

}  // namespace

Removal removal_from(const JsonView& json, int64_t num_blocks) {
  const auto removal = removal_in(json);
  if (!removal) json.fail("expected a block's number, or a half as \"5.mlp\"");
  if (removal->block < 0 || removal->block >= num_blocks) json.fail(fmt::format("not a block of {}", num_blocks));
  return *removal;
}

Removal RemovalListReader::add(const JsonView& json) {
  const Removal removal = removal_from(json, num_blocks_);
  for (const Half half : {Half::attention, Half::mlp}) {
    if (removal.half && removal.half != half) continue;
    if (!halves_.insert({removal.block, half}).second) json.fail(fmt::format("block {} stands twice", removal.block));
  }
  if (std::ssize(halves_) == 2 * num_blocks_) json.fail(fmt::format("all {} blocks; one stays", num_blocks_));
  list_.push_back(removal);
  return removal;
}

RemovalList removal_list_from(const JsonView& json, int64_t num_blocks) {
  if (!json.is_array()) json.fail("expected a list of blocks");
  RemovalListReader reader(num_blocks);
  for (size_t i = 0; i < json.size(); ++i) reader.add(json.at(i));
  return reader.list();
}

}  // namespace sleb
