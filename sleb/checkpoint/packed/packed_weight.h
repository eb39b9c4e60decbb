// Weights that a file stores in a few bits a value and in several tensors: packed numbers, scales, zero points. What a
// Hugging Face folder's quantization_config says of them is believed only as far as the tensors' shapes bear it out.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/checkpoint/formats/int4_rows.h"
#include "sleb/checkpoint/formats/stored_tensor.h"
#include "sleb/checkpoint/model_spec.h"

namespace sleb {

// One of the tensors that make a packed weight. `name` may differ from the file's, which is tensor.name.
struct StoredPart {
  std::string name;
  StoredTensor tensor;
};

class PackedWeight {
 public:
  struct Description {
    std::string form;       // "GPTQ int4 in groups of 128"
    std::string label;      // begins error messages
    StoredType value_type;  // F16, BF16 or F32: what the format's own code computes, so that each value is one of it
    std::vector<int64_t> shape;     // of the weight, as the model's specification has it
    std::vector<StoredPart> parts;  // all that the file holds of it
  };

  explicit PackedWeight(Description description) : description_(std::move(description)) {}
  virtual ~PackedWeight() = default;

  const std::string& form() const { return description_.form; }
  StoredType value_type() const { return description_.value_type; }
  const std::vector<int64_t>& shape() const { return description_.shape; }
  const std::vector<StoredPart>& parts() const { return description_.parts; }
  uint64_t stored_bytes() const;

  // Rows [first, first + count) of the weight, all its dimensions but the last being rows: [count, columns]. The values
  // are those that the format's own code computes, bit for bit. Throws Error(bad_input), naming the tensor, for scales
  // that are not finite and for numbers out of range: zero points, groups.
  virtual void decode_rows(int64_t first, int64_t count, std::span<float> out) const = 0;
  // Throws what decode_rows throws of any row.
  virtual void check() const = 0;
  // Columns of a group where the weight is integers of 4 bits in groups of neighbouring columns; 0: it is not.
  virtual int64_t int4_group() const { return 0; }
  // All rows of such a weight, before any rounding to value_type(). Throws what decode_rows throws.
  virtual void read_int4(const Int4Rows& out) const;

  // The type of GGUF whose blocks hold the same numbers and scales; nothing where none does.
  virtual std::optional<StoredType> gguf_type() const { return {}; }
  // Of a stack that has one: those of an expert's rows first, first + step, ..., as they are stored.
  virtual std::vector<std::byte> gguf_blocks(int64_t /*expert*/, int64_t /*first*/, int64_t /*step*/) const {
    return {};
  }

 protected:
  int64_t rows() const { return count_elements({shape().data(), shape().size() - 1}).value(); }
  int64_t columns() const { return shape().back(); }
  const std::string& label() const { return description_.label; }

 private:
  Description description_;
};

// By its name alone: whether a tensor can be nothing but the numbers of a packed weight.
bool is_part_of_packed(std::string_view name);

struct PackedWeights {
  std::map<std::string, std::unique_ptr<PackedWeight>> weights;  // by the weight's name
  std::vector<std::string> warnings;                             // what is computed otherwise where the model is served
};

// Finds the weights of a folder that are packed: those of `spec`'s tensors that are there in the form that
// config.json's quantization_config names. `tensors`: all of the folder's, integers too, under the model's names. Reads
// little data: no weight. 8-bit floats with scales are weight_scales.h's. Throws Error(bad_input), one line that begins
// with `label`, for a quantization_config of an unknown method or with a member that may change what the weights are,
// and for tensors that are missing or whose types and shapes do not fit the weight and the configuration.
PackedWeights find_packed_weights(const std::map<std::string, StoredTensor>& tensors, const ModelSpec& spec,
                                  const JsonView& config, const std::string& label);

// Where a quantization_config of this method lists modules that are not quantised, so that a weight can be written
// plain beside packed ones: the member's name. Empty where programs agree on none.
std::string exclusion_list(std::string_view quant_method);

}  // namespace sleb
