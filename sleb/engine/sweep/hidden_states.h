// The hidden states of a whole text at one depth of the model. Inside the engine only.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>

#include "sleb/base/scratch_file.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/memory/states_place.h"

namespace sleb {

struct StatesShape {
  int64_t segments;
  int64_t tokens;
  int64_t hidden;
};
uint64_t bytes_of(const StatesShape& shape, const Compute& compute);

class HiddenStates {
 public:
  // On the disk they are in a file without a name in `scratch`. Throws Error(failed) if that has no room.
  HiddenStates(const StatesShape& shape, const Compute& compute, StatesPlace place,
               const std::filesystem::path& scratch);

  // [count, tokens, hidden], these states themselves.
  at::Tensor segments(int64_t begin, int64_t count) const { return all_.narrow(0, begin, count); }
  void copy_from(const HiddenStates& other) const;

 private:
  std::optional<ScratchFile> file_;
  at::Tensor all_;  // [segments, tokens, hidden]
};

}  // namespace sleb
