#include "sleb/checkpoint/packed/split_key_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sleb/base/error.h"

namespace sleb {
namespace {

class SplitKeyValues : public PackedWeight {
 public:
  SplitKeyValues(Description description, const ModelSpec& spec)
      : PackedWeight(std::move(description)), latent_(spec.latent), num_heads_(spec.num_heads) {}

  void decode_rows(int64_t first, int64_t count, std::span<float> out) const override {
    const int64_t of_head = latent_.plain_dims + latent_.value_dim;
    std::vector<float> head(static_cast<size_t>(of_head * latent_.size));
    for (int64_t done = 0; done < count;) {
      const int64_t row = first + done, inside = row % of_head;
      const int64_t rows_here = std::min(of_head - inside, count - done);
      decode_head(row / of_head, head);
      std::copy_n(head.begin() + inside * latent_.size, rows_here * latent_.size, out.begin() + done * latent_.size);
      done += rows_here;
    }
  }

  void check() const override {}

 private:
  void decode_head(int64_t head, std::span<float> out) const {
    const auto size_of_keys = static_cast<size_t>(latent_.plain_dims * latent_.size);
    std::vector<float> keys(size_of_keys);
    decode_part(0, head, keys);
    for (int64_t row = 0; row < latent_.plain_dims; ++row) {
      for (int64_t column = 0; column < latent_.size; ++column) {
        out[static_cast<size_t>(row * latent_.size + column)] =
            keys[static_cast<size_t>(column * latent_.plain_dims + row)];
      }
    }
    decode_part(1, head, out.subspan(size_of_keys));
  }

  void decode_part(size_t part, int64_t head, std::span<float> out) const {
    const StoredTensor& stored = parts()[part].tensor;
    const size_t bytes = stored.data.size() / static_cast<size_t>(num_heads_);
    decode(stored.type, stored.data.subspan(static_cast<size_t>(head) * bytes, bytes), out);
  }

  LatentSpec latent_;
  int64_t num_heads_;
};

const StoredTensor* find(const GgufFile& file, const std::string& name) {
  const auto found = file.tensors().find(name);
  return found == file.tensors().end() ? nullptr : &found->second;
}

std::string name_in_gguf(int64_t block, std::string_view part) {
  return fmt::format("blk.{}.{}.weight", block, part);
}

std::vector<StoredPart> parts_of(const GgufFile& file, const ModelSpec& spec, int64_t block) {
  std::vector<StoredPart> parts;
  for (const KeyOrValue half : keys_and_values) {
    const std::string name = name_in_gguf(block, split_name(half));
    const StoredTensor* stored = find(file, name);
    if (stored == nullptr) bad_input("{}: tensor '{}' is missing", file.label(), name);
    const std::vector<int64_t> shape = split_shape(spec, half);
    if (stored->shape != shape) {
      bad_input("{}: tensor '{}' is not of {} heads with matrices of {} times {}", file.label(), name, shape[0],
                shape[1], shape[2]);
    }
    parts.push_back({name, *stored});
  }
  return parts;
}

}  // namespace

std::string_view split_name(KeyOrValue half) {
  return half == KeyOrValue::key ? "attn_k_b" : "attn_v_b";
}

std::vector<int64_t> split_shape(const ModelSpec& spec, KeyOrValue half) {
  const LatentSpec& latent = spec.latent;
  if (half == KeyOrValue::key) return {spec.num_heads, latent.size, latent.plain_dims};
  return {spec.num_heads, latent.value_dim, latent.size};
}

std::vector<float> split_values(const ModelSpec& spec, KeyOrValue half, std::span<const float> joined) {
  const int64_t keys = spec.latent.plain_dims, values = spec.latent.value_dim, size = spec.latent.size;
  std::vector<float> out;
  out.reserve(static_cast<size_t>(spec.num_heads * size * (half == KeyOrValue::key ? keys : values)));
  for (int64_t head = 0; head < spec.num_heads; ++head) {
    const auto rows = joined.subspan(static_cast<size_t>(head * (keys + values) * size));
    if (half == KeyOrValue::value) {
      const auto own = rows.subspan(static_cast<size_t>(keys * size), static_cast<size_t>(values * size));
      out.insert(out.end(), own.begin(), own.end());
      continue;
    }
    for (int64_t column = 0; column < size; ++column) {
      for (int64_t row = 0; row < keys; ++row) out.push_back(rows[static_cast<size_t>(row * size + column)]);
    }
  }
  return out;
}

std::map<std::string, std::unique_ptr<PackedWeight>> find_split_key_values(const GgufFile& file,
                                                                           const ModelSpec& spec) {
  std::map<std::string, std::unique_ptr<PackedWeight>> weights;
  for (int64_t block = 0; block < spec.num_blocks && spec.is_latent(); ++block) {
    const auto is_there = [&](KeyOrValue half) { return find(file, name_in_gguf(block, split_name(half))) != nullptr; };
    if (std::ranges::none_of(keys_and_values, is_there)) continue;
    const std::string whole = name_in_gguf(block, joined_key_values);
    if (find(file, whole) != nullptr) {
      bad_input("{}: tensor '{}' is there twice, in '{}' and '{}' too", file.label(), whole,
                split_name(KeyOrValue::key), split_name(KeyOrValue::value));
    }
    std::vector<StoredPart> parts = parts_of(file, spec, block);
    const StoredType type = parts[0].tensor.type, other = parts[1].tensor.type;
    const bool is_plain = type == other && (type == StoredType::f16 || type == StoredType::bf16);
    const std::string form =
        type == other ? std::string(name_of(type)) : fmt::format("{} and {}", name_of(type), name_of(other));
    const int64_t rows = spec.num_heads * (spec.latent.plain_dims + spec.latent.value_dim);
    PackedWeight::Description description{
        form, file.label(), is_plain ? type : StoredType::f32, {rows, spec.latent.size}, std::move(parts)};
    weights.emplace(spec.part_name(block, Part::latent_key_value) + ".weight",
                    std::make_unique<SplitKeyValues>(std::move(description), spec));
  }
  return weights;
}

}  // namespace sleb
