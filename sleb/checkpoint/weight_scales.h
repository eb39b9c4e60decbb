// Weights stored as 8-bit floats and the scales that stand beside them: a weight's value is the 8-bit float times its
// scale, both as float32. X.weight has its scales in
//   X.weight_scale_inv  transformers' "fp8" (DeepSeek's form: despite the name it is multiplied with)
//   X.weight_scale      compressed-tensors, fbgemm_fp8, modelopt, vLLM
// one for the whole tensor ([] or [1]), for each row ([rows] or [rows, 1]), or for each block ([rows / block rows,
// columns / block columns], both rounded up), where config.json's quantization_config says how large a block is.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/checkpoint/formats/stored_tensor.h"

namespace sleb {

struct WeightScale {
  StoredTensor tensor;  // one scale a block, row-major
  int64_t block_rows;   // of the weight's rows and columns share a scale; a vector is one row
  int64_t block_columns;
};

// For each of `weights` (names of vectors and matrices among `tensors`) that is an 8-bit float, its scales. `integers`:
// names of the file's tensors that hold integers. Reads no data.
// Throws Error(bad_input), naming `label` and tensor, where they are missing, there in both forms, of a type other than
// F32, F16 and BF16, or of a shape that the weight and config.json's quantization_config do not explain.
std::map<std::string, WeightScale> find_weight_scales(const std::map<std::string, StoredTensor>& tensors,
                                                      const std::set<std::string>& integers,
                                                      const std::vector<std::string>& weights, const JsonView& config,
                                                      const std::string& label);

// Whether a tensor scales activations or a cache of keys and values, for programs that compute with 8-bit floats.
bool is_activation_scale(std::string_view name);

// Multiplies `values`, whole rows of `columns` elements from `first_row` on, by their scales.
// Throws Error(bad_input), naming `label` and tensor, where a scale is not a positive, finite number.
void apply_scales(const WeightScale& scale, int64_t first_row, int64_t columns, std::span<float> values,
                  const std::string& label);

// Throws the same for any of the scales.
void check_scales(const WeightScale& scale, const std::string& label);

}  // namespace sleb
