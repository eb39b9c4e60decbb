#pragma once

#include <map>
#include <string>
#include <vector>

#include "sleb/checkpoint/formats/stored_tensor.h"

namespace sleb::fuzzing {

// Touches every byte that a reader says belongs to a tensor.
inline void decode_all(const std::map<std::string, StoredTensor>& tensors) {
  for (const auto& [name, tensor] : tensors) {
    std::vector<float> values(static_cast<size_t>(tensor.elements()));
    decode(tensor.type, tensor.data, values);
  }
}

}  // namespace sleb::fuzzing
