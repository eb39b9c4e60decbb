// Removal lists as results keep them, read again.
#pragma once

#include <cstdint>
#include <set>
#include <utility>

#include "sleb/base/json.h"
#include "sleb/engine/plans/removal_list.h"

namespace sleb {

// What a result's JSON writes one by one, of a model of `num_blocks`: 5, or a half as "5.mlp".
class RemovalListReader {
 public:
  explicit RemovalListReader(int64_t num_blocks) : num_blocks_(num_blocks) {}

  // Throws Error(bad_input), naming the place, for anything else, a block that the model does not have, one that was
  // there before, and for the last of all blocks: one stays.
  Removal add(const JsonView& json);
  const RemovalList& list() const { return list_; }

 private:
  int64_t num_blocks_;
  std::set<std::pair<int64_t, Half>> halves_;
  RemovalList list_;
};
// Likewise, of one that stands alone.
Removal removal_from(const JsonView& json, int64_t num_blocks);
// Likewise, of an array.
RemovalList removal_list_from(const JsonView& json, int64_t num_blocks);

}  // namespace sleb
