// Of latent attention llama.cpp keeps apart what keys and values are made of, the keys' part turned for its products:
// in the place of kv_b_proj [heads * (plain + values), latent], which has them head by head, attn_k_b [heads, latent,
// plain] and attn_v_b [heads, values, latent] (conversion/deepseek.py, modify_tensors).
#pragma once

#include <array>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/checkpoint/formats/gguf.h"
#include "sleb/checkpoint/model_spec.h"
#include "sleb/checkpoint/packed/packed_weight.h"

namespace sleb {

enum class KeyOrValue { key, value };
inline constexpr std::array keys_and_values = {KeyOrValue::key, KeyOrValue::value};

inline constexpr std::string_view joined_key_values = "attn_kv_b";
std::string_view split_name(KeyOrValue half);  // "attn_k_b"
std::vector<int64_t> split_shape(const ModelSpec& spec, KeyOrValue half);

// Half of the values of kv_b_proj, in that shape.
std::vector<float> split_values(const ModelSpec& spec, KeyOrValue half, std::span<const float> joined);

// Every block's two as the one matrix, by its Hugging Face name; none of blocks that have it whole. Throws
// Error(bad_input) where one is missing, has another shape, or is there beside the whole.
std::map<std::string, std::unique_ptr<PackedWeight>> find_split_key_values(const GgufFile& file, const ModelSpec& spec);

}  // namespace sleb
