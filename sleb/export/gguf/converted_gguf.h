// Writes a Hugging Face folder's model, with some blocks gone, as a GGUF.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sleb/checkpoint/checkpoint.h"
#include "sleb/export/gguf/pruned_gguf.h"

namespace sleb {

// The type that a matrix is to be stored in, by its Hugging Face name.
using MatrixType = std::function<StoredType(const std::string& name)>;

// As llama.cpp's converter writes the architecture: names, order of rows, 1 added to norms that are stored without it;
// vectors, norms and position tables as F32, matrices as `type` says, as F16 where a row is not whole blocks of it.
// What was put in a tensor's place (Checkpoint::replace) counts. A folder without a tokenizer makes a file without one,
// with a warning. The checkpoint has to outlive the result.
// Throws Error(bad_input) for a family without an architecture, a model that the architecture's metadata don't describe
// (found by reading them again), other parts beside the language model, and a tokenizer that gguf_vocabulary_of_folder
// refuses.
PrunedGguf convert_to_gguf(const Checkpoint& checkpoint, const GgufRecord& record, const MatrixType& type);

// The tensors of that file.
std::vector<TensorLayout> converted_tensors(const Checkpoint& checkpoint, const std::vector<int64_t>& removed_blocks,
                                            const MatrixType& type);

}  // namespace sleb
