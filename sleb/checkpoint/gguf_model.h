// What a GGUF file says in its own words, said in Hugging Face's: tensor names, row order, config.json, vocabulary.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "sleb/base/json.h"
#include "sleb/checkpoint/formats/gguf.h"
#include "sleb/checkpoint/model_spec.h"
#include "sleb/text/gguf_vocabulary.h"

namespace sleb {

// "model.layers.3.mlp.up_proj.weight" for "blk.3.ffn_up.weight", and so on for every tensor of the model.
// Throws Error(bad_input) for a tensor whose name is not known.
std::map<std::string, StoredTensor> tensors_under_hugging_face_names(const GgufFile& file, const ModelSpec& spec);

// llama.cpp stores the rows of a llama model's query and key projections so that the two halves that rope turns
// together alternate (convert_hf_to_gguf.py, LlamaModel.permute). Number of heads among those rows, 0 for other
// tensors.
int64_t permuted_heads(const ModelSpec& spec, const std::string& name);
// Puts the `rows` rows back in transformers' order, in place.
void undo_rope_permutation(std::span<float> tensor, int64_t heads, int64_t rows);

// config.json's content for the same model. Throws Error(bad_input) if its rope frequencies have no name there.
OrderedJson config_from_gguf(const GgufFile& file, const ModelSpec& spec);
// Every token that ends a text or a turn, the file's own eos first (gguf_end_of_text.h).
std::vector<int64_t> end_of_text_ids(const GgufFile& file);
// eos_token_id is all of them.
std::string generation_config_from_gguf(const GgufFile& file);

GgufVocabulary vocabulary_of(const GgufFile& file);

}  // namespace sleb
