// Values to the plain types, for checkpoints that are written in another type than they were read in.
#pragma once

#include <span>
#include <vector>

#include "sleb/checkpoint/formats/stored_tensor.h"

namespace sleb {

// float32 to F32, F16 or BF16, rounded to the nearest, ties to even; NaN stays NaN.
std::vector<std::byte> encode(StoredType type, std::span<const float> values);

// Rounds each value to the nearest of a plain type, as encode() does: F16, BF16; F32 leaves them alone.
void round_to(StoredType type, std::span<float> values);

}  // namespace sleb
