// What a GPU is, which libtorch's headers tell only those who have CUDA's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sleb {

struct GraphicsCard {
  std::string name;         // "NVIDIA H100 80GB HBM3"
  int64_t capability = 90;  // ten times the compute capability
};
// Of "cuda:`index`", from the driver; nothing if that does not tell.
std::optional<GraphicsCard> graphics_card(int64_t index);

// The same of each card, asked of the driver once; where it does not tell, that of GraphicsCard's default.
int64_t capability_of_card(int64_t index);

}  // namespace sleb
