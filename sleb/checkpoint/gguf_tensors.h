// The tensors of a GGUF file under Hugging Face's names and in its order of rows.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "sleb/checkpoint/configuration/gguf_architecture.h"
#include "sleb/checkpoint/formats/gguf.h"
#include "sleb/checkpoint/model_spec.h"

namespace sleb {

// "model.layers.3.mlp.up_proj.weight" for "blk.3.ffn_up.weight", and so on for every tensor of the model, with the
// shapes that Hugging Face's have. Throws Error(bad_input) for a tensor whose name is not known.
std::map<std::string, StoredTensor> tensors_under_hugging_face_names(const GgufFile& file, const ModelSpec& spec);

// What llama.cpp's converter changed in a tensor's values, undone in place: rows of queries and keys whose pairs it put
// side by side, query_key_value in groups, matrices that transformers keeps transposed, 1 added to the weights of norms
// (llama.cpp, conversion/). `values` are those of the tensor of that Hugging Face name, `shape` its shape there.
void undo_conversion(const GgufFile& file, const ModelSpec& spec, const std::string& name,
                     const std::vector<int64_t>& shape, std::span<float> values);

// Hugging Face's names of all tensors that a model of that architecture may have, by the GGUF's. "*" in a name: one
// tensor a head there, of which the GGUF has a row each.
std::map<std::string, std::string> hugging_face_names(const GgufArchitecture& architecture, const ModelSpec& spec);

// What undo_conversion() undoes, done in place.
void convert(const GgufArchitecture& architecture, const ModelSpec& spec, const std::string& name,
             const std::vector<int64_t>& shape, std::span<float> values);

// The shape that a tensor of that Hugging Face name and shape has in a GGUF: matrices that transformers keeps
// transposed are turned.
std::vector<int64_t> converted_shape(const ModelSpec& spec, const std::string& name, std::vector<int64_t> shape);

}  // namespace sleb
