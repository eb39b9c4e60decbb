#include "sleb/checkpoint/gguf_tensors.h"

#include <algorithm>
#include <set>

#include "sleb/base/error.h"
#include "sleb/checkpoint/configuration/gguf_architecture.h"
#include "sleb/checkpoint/configuration/gguf_spec.h"
#include "sleb/checkpoint/packed/split_key_values.h"

namespace sleb {
namespace {

// Read into the rope's description.
const std::set<std::string> rope_tensors = {"rope_freqs.weight", "rope_factors_long.weight",
                                            "rope_factors_short.weight"};

const GgufArchitecture& architecture_of(const GgufFile& file) {
  return find_gguf_architecture(file.string("general.architecture"));
}

// Whether a name is that part's in some block.
bool is_part(const ModelSpec& spec, const std::string& name, Part part) {
  const std::string_view own = spec.names.parts[part];
  return !own.empty() && name.find(fmt::format(".{}.", own)) != std::string::npos;
}

bool is_norm_weight(const ModelSpec& spec, const std::string& name) {
  if (!name.ends_with(".weight")) return false;
  if (name == fmt::format("{}.weight", spec.names.final_norm)) return true;
  constexpr std::array norms = {Part::attention_norm,      Part::query_norm, Part::key_norm,
                                Part::attention_post_norm, Part::mlp_norm,   Part::mlp_post_norm};
  return std::ranges::any_of(norms, [&](Part part) { return is_part(spec, name, part); });
}

bool is_transposed(const ModelSpec& spec, const std::string& name, size_t dimensions) {
  return spec.transposed_matrices && dimensions == 2 && name.starts_with(spec.names.block_prefix);
}

// Some of the rows of a matrix, or elements of a vector, as a tensor of that name. `stored` has that many.
StoredTensor rows_of(const StoredTensor& stored, std::string name, int64_t first, int64_t count) {
  const size_t row_bytes = stored.data.size() / static_cast<size_t>(stored.shape[0]);
  StoredTensor rows = stored;
  rows.name = std::move(name);
  rows.shape[0] = count;
  rows.data = stored.data.subspan(static_cast<size_t>(first) * row_bytes, static_cast<size_t>(count) * row_bytes);
  return rows;
}

// Each head's row, or each expert's matrix, as a tensor of its own.
void add_each(std::map<std::string, StoredTensor>& tensors, const StoredTensor& stored, const std::string& pattern,
              const ModelSpec& spec, std::string_view label) {
  const bool are_rows = stored.shape.size() == 2 && elements_per_block(stored.type) == 1;
  if (!are_rows && stored.shape.size() != 3) {
    bad_input("{}: tensor {} is neither a plain matrix with a row for each head nor a matrix for each expert", label,
              quote(stored.name));
  }
  if (stored.shape[0] > std::max(spec.num_heads, spec.experts.count)) {
    bad_input("{}: tensor {} holds {} parts, of a model of {} heads and {} experts", label, quote(stored.name),
              stored.shape[0], spec.num_heads, spec.experts.count);
  }
  for (int64_t i = 0; i < stored.shape[0]; ++i) {
    const std::string name = std::string(pattern).replace(pattern.find(each_one), each_one.size(), std::to_string(i));
    StoredTensor own = rows_of(stored, name, i, 1);
    own.shape.erase(own.shape.begin());
    tensors.emplace(name, std::move(own));
  }
}

// Of a block behind the model's.
bool is_appended(std::string_view name, const ModelSpec& spec) {
  for (int64_t i = 0; i < spec.appended_blocks; ++i) {
    if (name.starts_with(fmt::format("blk.{}.", spec.num_blocks + i))) return true;
  }
  return false;
}

constexpr std::string_view fused_qkv = "attn_qkv";

// The file's tensors; of a family that keeps queries, keys and values apart, those of one attn_qkv too, as old
// converters wrote it and new ones do on request: all queries, all keys, all values (llama.cpp, create_tensor_qkv).
std::map<std::string, StoredTensor> with_qkv_apart(const GgufFile& file, const ModelSpec& spec) {
  std::map<std::string, StoredTensor> tensors;
  const bool is_apart = spec.names.parts[Part::query] != spec.names.parts[Part::key];
  const int64_t queries = spec.num_heads * spec.head_dim, keys = spec.num_kv_heads * spec.head_dim;
  for (const auto& [name, stored] : file.tensors()) {
    const size_t place = name.find(fused_qkv);
    if (!is_apart || place == name.npos || stored.shape.empty() || stored.shape[0] != queries + 2 * keys) {
      tensors.emplace(name, stored);
      continue;
    }
    int64_t first = 0;
    for (const auto& [part, rows] : {std::pair("attn_q", queries), {"attn_k", keys}, {"attn_v", keys}}) {
      const std::string own = std::string(name).replace(place, fused_qkv.size(), part);
      if (file.tensors().contains(own))
        bad_input("{}: tensor '{}' is there twice, in '{}' too", file.label(), own, name);
      tensors.emplace(own, rows_of(stored, own, first, rows));
      first += rows;
    }
  }
  return tensors;
}

// Row r of the result is row source(r), all of them as long.
template <typename Source>
void reorder_rows(std::span<float> values, int64_t rows, Source source) {
  const std::vector<float> before(values.begin(), values.end());
  const size_t columns = values.size() / static_cast<size_t>(rows);
  for (int64_t row = 0; row < rows; ++row) {
    std::copy_n(before.begin() + source(row) * static_cast<int64_t>(columns), columns,
                values.begin() + row * static_cast<int64_t>(columns));
  }
}

// Row 2j + s of a head from its row s * half + j.
void put_pairs_side_by_side(std::span<float> values, int64_t rows, int64_t heads) {
  const int64_t head_rows = rows / heads, half = head_rows / 2;
  reorder_rows(values, rows, [&](int64_t row) {
    const int64_t within = row % head_rows;
    return row - within + within % 2 * half + within / 2;
  });
}

// The reverse.
void part_pairs(std::span<float> values, int64_t rows, int64_t heads) {
  const int64_t head_rows = rows / heads, half = head_rows / 2;
  reorder_rows(values, rows, [&](int64_t row) {
    const int64_t within = row % head_rows;
    return row - within + within % half * 2 + within / half;
  });
}

// All queries, all keys and all values to groups of a key head's queries, its key and its value.
void group_rows(std::span<float> values, const ModelSpec& spec) {
  const int64_t groups = spec.num_kv_heads, queries = spec.num_heads / groups, dim = spec.head_dim;
  reorder_rows(values, (spec.num_heads + 2 * groups) * dim, [&](int64_t row) {
    const int64_t head = row / dim, group = head / (queries + 2), place = head % (queries + 2);
    const int64_t stored =
        place < queries ? group * queries + place : spec.num_heads + (place - queries) * groups + group;
    return stored * dim + row % dim;
  });
}

// The reverse.
void ungroup_rows(std::span<float> values, const ModelSpec& spec) {
  const int64_t groups = spec.num_kv_heads, queries = spec.num_heads / groups, dim = spec.head_dim;
  reorder_rows(values, (spec.num_heads + 2 * groups) * dim, [&](int64_t row) {
    const int64_t head = row / dim, others = head - spec.num_heads;
    const int64_t group = others < 0 ? head / queries : others % groups;
    const int64_t place = others < 0 ? head % queries : queries + others / groups;
    return (group * (queries + 2) + place) * dim + row % dim;
  });
}

// [columns, rows] to [rows, columns].
void transpose(std::span<float> values, int64_t rows, int64_t columns) {
  const std::vector<float> before(values.begin(), values.end());
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      values[static_cast<size_t>(row * columns + column)] = before[static_cast<size_t>(column * rows + row)];
    }
  }
}

}  // namespace

std::map<std::string, std::string> hugging_face_names(const GgufArchitecture& architecture, const ModelSpec& spec) {
  std::map<std::string, std::string> renamed;
  const auto add = [&](std::string_view name, std::string_view new_name) {
    for (const std::string_view ending : {".weight", ".bias"}) {
      if (!new_name.empty()) renamed[fmt::format("{}{}", name, ending)] = fmt::format("{}{}", new_name, ending);
    }
  };
  add("token_embd", spec.names.embedding);
  add("token_embd_norm", spec.names.embedding_norm);
  add("position_embd", spec.names.positions);
  add("output_norm", spec.names.final_norm);
  add("output", spec.names.head);
  for (int64_t block = 0; block < spec.num_blocks; ++block) {
    for (const Part part : all_parts) {
      if (spec.names.parts[part].empty()) continue;
      for (const auto& [own, name] : gguf_tensor_names(architecture, spec, block, part)) renamed[own] = name;
    }
  }
  return renamed;
}

std::map<std::string, StoredTensor> tensors_under_hugging_face_names(const GgufFile& file, const ModelSpec& spec) {
  ModelSpec without_experts = spec;  // which have their tensors together here
  without_experts.experts = {};
  check_block_count(without_experts, file.tensors().size(), file.label());
  const std::map<std::string, std::string> renamed = hugging_face_names(architecture_of(file), spec);
  std::map<std::string, StoredTensor> tensors;
  std::set<std::string> parts = rope_tensors;  // read elsewhere
  for (const auto& [name, weight] : find_split_key_values(file, spec)) {
    tensors.emplace(name, StoredTensor{name, StoredType::packed, weight->shape(), {}});
    for (const StoredPart& part : weight->parts()) parts.insert(part.name);
  }
  for (const auto& [name, stored] : with_qkv_apart(file, spec)) {
    if (parts.contains(name)) continue;
    const auto found = renamed.find(name);
    if (found == renamed.end() && is_appended(name, spec)) continue;
    if (found == renamed.end()) {
      bad_input("{}: tensor '{}' is not part of a {} model of {} blocks; running without it would be wrong",
                file.label(), name, spec.family, spec.num_blocks);
    }
    if (found->second.find(each_one) != std::string::npos) {
      add_each(tensors, stored, found->second, spec, file.label());
      continue;
    }
    StoredTensor copy = stored;
    copy.name = found->second;
    if (is_transposed(spec, copy.name, copy.shape.size())) std::swap(copy.shape[0], copy.shape[1]);
    const bool is_gate_of_shared = spec.is_mixture() && is_part(spec, copy.name, Part::shared_router);
    if (is_gate_of_shared && copy.shape.size() == 1) copy.shape.insert(copy.shape.begin(), 1);
    tensors.emplace(found->second, std::move(copy));
  }
  check_block_count(spec, tensors.size(), file.label());
  return tensors;
}

void undo_conversion(const GgufFile& file, const ModelSpec& spec, const std::string& name,
                     const std::vector<int64_t>& shape, std::span<float> values) {
  if (architecture_of(file).pairs_side_by_side) {
    if (is_part(spec, name, Part::query)) part_pairs(values, shape[0], spec.num_heads);
    if (is_part(spec, name, Part::key)) part_pairs(values, shape[0], spec.num_kv_heads);
  }
  if (spec.qkv_layout == QkvLayout::by_group && is_part(spec, name, Part::query)) group_rows(values, spec);
  if (spec.norm_weight_offset != 0 && is_norm_weight(spec, name)) {
    for (float& value : values) value -= static_cast<float>(spec.norm_weight_offset);
  }
  if (is_transposed(spec, name, shape.size())) transpose(values, shape[0], shape[1]);
}

void convert(const GgufArchitecture& architecture, const ModelSpec& spec, const std::string& name,
             const std::vector<int64_t>& shape, std::span<float> values) {
  if (architecture.pairs_side_by_side) {
    if (is_part(spec, name, Part::query)) put_pairs_side_by_side(values, shape[0], spec.num_heads);
    if (is_part(spec, name, Part::key)) put_pairs_side_by_side(values, shape[0], spec.num_kv_heads);
  }
  if (spec.qkv_layout == QkvLayout::by_group && is_part(spec, name, Part::query)) ungroup_rows(values, spec);
  if (spec.norm_weight_offset != 0 && is_norm_weight(spec, name)) {
    for (float& value : values) value += static_cast<float>(spec.norm_weight_offset);
  }
  if (is_transposed(spec, name, shape.size())) transpose(values, shape[1], shape[0]);
}

std::vector<int64_t> converted_shape(const ModelSpec& spec, const std::string& name, std::vector<int64_t> shape) {
  if (is_transposed(spec, name, shape.size())) std::swap(shape[0], shape[1]);
  return shape;
}

}  // namespace sleb
