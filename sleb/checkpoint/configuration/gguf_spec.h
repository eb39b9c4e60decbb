// The model that a GGUF file's metadata describes, with llama.cpp's defaults.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sleb/checkpoint/configuration/gguf_architecture.h"
#include "sleb/checkpoint/formats/gguf.h"
#include "sleb/checkpoint/model_spec.h"

namespace sleb {

// Throws Error(bad_input), naming file and key. The family comes from general.architecture.
ModelSpec spec_from_gguf(const GgufFile& file);

// One line for the user each: metadata of the model that is not read, and what llama.cpp warns of. For a file that
// spec_from_gguf() took.
std::vector<std::string> gguf_warnings(const GgufFile& file);

// llama.cpp's warning of a vocabulary that doesn't say how texts are split.
std::optional<std::string> gguf_tokenizer_warning(const GgufFile& file);

// The tensors of a part of a block, weight and bias, whether the model has them or not: a name in the GGUF, and in
// Hugging Face files.
struct TensorRenaming {
  std::string in_gguf;
  std::string name;
};
std::vector<TensorRenaming> gguf_tensor_names(const GgufArchitecture& architecture, const ModelSpec& spec,
                                              int64_t block, Part part);

// The GGUF's tensor name for a part of a block (model.layers.3.mlp.up_proj: "blk.3.ffn_up"), as llama.cpp's tensor
// table has it.
std::string gguf_part_name(const GgufArchitecture& architecture, const ModelSpec& spec, int64_t block, Part part);

}  // namespace sleb
