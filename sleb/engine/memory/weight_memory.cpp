#include "sleb/engine/memory/weight_memory.h"

#include <algorithm>
#include <utility>

#include "sleb/checkpoint/row_order.h"
#include "sleb/engine/plans/packed_weights.h"

namespace sleb {
namespace {

std::string weight_name(std::string_view name) {
  return std::string(name) + ".weight";
}

std::string head_name(const ModelSpec& spec) {
  return weight_name(spec.tied_head ? spec.names.embedding : spec.names.head);
}

// Weights that become one linear map: how much stands in memory while they are loaded.
class LinearLoading {
 public:
  LinearLoading(const ModelSpec& spec, const Compute& compute, const StoredForms& forms)
      : spec_(spec), compute_(compute), forms_(forms) {}

  uint64_t bytes(const std::vector<int64_t>& shape) const {
    uint64_t elements = 1;
    for (const int64_t size : shape) elements *= static_cast<uint64_t>(size);
    return elements * bytes_per_element(compute_);
  }

  // 0: the matrices are not packed.
  int64_t group_of(std::span<const TensorShape> tensors) const {
    if (!compute_.packed_weights) return 0;
    return packed_group(tensors, [&](const std::string& name) { return forms_(name).int4_group; });
  }

  uint64_t bytes_of(std::span<const TensorShape> tensors) const {
    uint64_t plain = 0, packed = 0;
    const int64_t group = group_of(tensors);
    for (const TensorShape& tensor : tensors) {
      plain += bytes(tensor.shape);
      if (group > 0) packed += packed_bytes(tensor.shape[0], tensor.shape[1], group);
    }
    return group > 0 ? packed : plain;
  }

  uint64_t saved(std::span<const TensorShape> tensors) const {
    uint64_t plain = 0;
    for (const TensorShape& tensor : tensors) plain += bytes(tensor.shape);
    return plain - bytes_of(tensors);
  }

  // Integers, a byte each, as they are read and in order; a few rows of them as int32; scales in float32.
  Footprint packed_matrix(std::span<const TensorShape> tensors) const {
    uint64_t elements = 0, mapped = 0;
    for (const TensorShape& tensor : tensors) {
      elements += bytes(tensor.shape) / bytes_per_element(compute_);
      mapped = std::max(mapped, forms_(tensor.name).bytes);
    }
    const auto columns = static_cast<uint64_t>(tensors[0].shape[1]);
    return Footprint::of(bytes_of(tensors) + 2 * elements + elements / 4 + 256 * 4 * columns, mapped);
  }

  // A matrix is read part by part, decoded or from mapped pages, and then packed: a second copy. What comes to a GPU is
  // decoded in the machine's memory.
  // `copied`: rows are put in another order before, or the matrix is transposed.
  Footprint matrix(std::span<const TensorShape> tensors, bool copied) const {
    if (group_of(tensors) > 0) return packed_matrix(tensors);
    uint64_t bytes = 0;
    for (const TensorShape& tensor : tensors) bytes += this->bytes(tensor.shape);
    if (compute_.device != "cpu") return Footprint::of(copied ? 2 * bytes : bytes);
    const bool packed = compute_.dtype != "float16";
    Footprint most = Footprint::of(packed || copied ? 2 * bytes : bytes);
    for (const TensorShape& tensor : tensors) {
      const uint64_t own = this->bytes(tensor.shape);
      const uint64_t elements = own / bytes_per_element(compute_);
      const StoredForm form = forms_(tensor.name);
      const uint64_t stored = spec_.transposed_matrices && copied ? own : 0;
      most = larger(most, Footprint::of(bytes + stored + (form.is_decoded ? 4 * elements : 0), form.bytes));
    }
    return most;
  }

  // One matrix of a stack, decoded, brought into order, and packed.
  Footprint one_of_stack(const TensorShape& stack, int64_t count) const {
    const uint64_t bytes = this->bytes(stack.shape) / static_cast<uint64_t>(count);
    const uint64_t decoded = 4 * bytes / bytes_per_element(compute_);
    return Footprint::of(std::max(2 * bytes, bytes + decoded), forms_(stack.name).bytes / static_cast<uint64_t>(count));
  }

  Footprint parts(std::initializer_list<Part> parts, uint64_t& bytes_together) const {
    bytes_together = 0;
    const auto block = spec_.block_with(*parts.begin());
    if (!block) return {};
    const std::vector<TensorShape> tensors = spec_.stored_weights(*block, parts);
    for (const TensorShape& tensor : tensors) bytes_together += bytes(tensor.shape);
    return matrix(tensors, spec_.transposed_matrices || !stored_rows(spec_, parts).empty());
  }

 private:
  const ModelSpec& spec_;
  const Compute& compute_;
  const StoredForms& forms_;
};

}  // namespace

StoredForms stored_forms(const Checkpoint& checkpoint) {
  return [&checkpoint](const std::string& name) {
    const StoredTensor& stored = checkpoint.tensor(name);
    const bool plain =
        stored.type == StoredType::f32 || stored.type == StoredType::f16 || stored.type == StoredType::bf16;
    return StoredForm{checkpoint.stored_bytes(name), checkpoint.is_gguf() || !plain, checkpoint.int4_group(name)};
  };
}

Footprint larger(const Footprint& one, const Footprint& other) {
  return {std::max(one.resident, other.resident), std::max(one.anonymous, other.anonymous)};
}

uint64_t saved_by_packing(const ModelSpec& spec, const Compute& compute, const StoredForms& forms, const Plan& plan) {
  if (!compute.packed_weights) return 0;
  const LinearLoading loading(spec, compute, forms);
  uint64_t saved = 0;
  for (const auto& matrices : linear_maps(spec, plan)) saved += loading.saved(matrices);
  return saved;
}

WeightMemory::WeightMemory(const ModelSpec& spec, const Compute& compute, const StoredForms& forms)
    : num_blocks_(spec.num_blocks) {
  const uint64_t element = bytes_per_element(compute);
  block_ = static_cast<uint64_t>(spec.block_parameters()) * element;
  // On the CPU the embedding stays in the file, and a tied head is a copy of it; on a GPU it is there, once. So the
  // least that a GPU needs is larger than what a CPU does.
  const bool in_file = compute.device == "cpu" && !spec.tied_head;
  const int64_t embedding = in_file ? spec.vocabulary_size * spec.embedding_size : 0;
  others_ = static_cast<uint64_t>(spec.parameters() - spec.blocks_parameters() - embedding) * element;

  const LinearLoading loading(spec, compute, forms);
  const std::vector<int64_t> head_shape = {spec.vocabulary_size, spec.embedding_size};
  const TensorShape head[] = {{head_name(spec), head_shape}};
  others_loading_ = loading.matrix(head, /*copied=*/false);

  if (compute.packed_weights) {
    others_ -= loading.saved(head);
    block_ = 0;
    // Files hold some blocks in other types than the rest.
    for (int64_t block = 0; block < spec.num_blocks; ++block) {
      uint64_t whole = 0, loaded = 0;
      for (const Half half : {Half::attention, Half::mlp}) {
        if (spec.lacks(block, half)) continue;
        whole += static_cast<uint64_t>(spec.half_parameters(block, half)) * element;
        for (const auto& matrices : linear_maps(spec, block, half)) {
          block_loading_ = larger(block_loading_, Footprint::of(loaded) + loading.matrix(matrices, /*copied=*/true));
          loaded += loading.bytes_of(matrices);
          whole -= loading.saved(matrices);
        }
      }
      block_ = std::max(block_, whole);
    }
    block_loading_ = larger(block_loading_, Footprint::of(block_));
    return;
  }
  uint64_t before = 0;
  const auto load = [&](std::initializer_list<Part> parts) {
    uint64_t own = 0;
    const Footprint most = loading.parts(parts, own);
    block_loading_ = larger(block_loading_, Footprint::of(before) + most);
    before += own;
  };
  const auto load_expert = [&](int64_t block, int64_t expert) {
    for (const auto& parts : {std::vector{Part::expert_gate, Part::expert_up}, std::vector{Part::expert_down}}) {
      const auto tensors = spec.expert_weights(block, expert, parts);
      const Footprint own = spec.experts.stacked ? loading.one_of_stack(tensors.front(), spec.experts.count)
                                                 : loading.matrix(tensors, /*copied=*/false);
      block_loading_ = larger(block_loading_, Footprint::of(before) + own);
      const auto shared = static_cast<uint64_t>(spec.experts.stacked ? spec.experts.count : 1);
      for (const TensorShape& tensor : tensors) before += loading.bytes(tensor.shape) / shared;
    }
  };
  if (spec.is_latent()) {
    for (const Part part : {Part::query, Part::latent, Part::latent_key_value, Part::query_latent}) load({part});
  } else {
    load({Part::query, Part::key, Part::value});
  }
  load({Part::attention_output});
  const uint64_t attention = before;
  if (spec.has_weight(Part::down)) {
    spec.mlp == MlpKind::gated ? load({Part::gate, Part::up}) : load({Part::up});
    load({Part::down});
  }
  if (const auto block = spec.block_with(Part::expert_down)) {
    before = attention;
    for (int64_t expert = 0; expert < spec.experts.count; ++expert) load_expert(*block, expert);
  }
  block_loading_ = larger(block_loading_, Footprint::of(block_));
}

uint64_t WeightMemory::least() const {
  return std::min(all().bytes, others_ + streamed_at_once * block_);
}

Footprint WeightMemory::loading(const Residency& residency) const {
  const auto blocks = static_cast<uint64_t>(residency.resident_blocks());
  // The head comes first, so what it takes meanwhile stands beside nothing else.
  if (blocks == 0) return larger(others_loading_, Footprint::of(others_));
  return larger(others_loading_, Footprint::of(others_ + (blocks - 1) * block_) + block_loading_);
}

Footprint WeightMemory::held(const Residency& residency) const {
  const auto blocks = static_cast<uint64_t>(residency.resident_blocks());
  const Footprint resident = Footprint::of(others_ + blocks * block_);
  if (residency.all_resident()) return resident;
  return resident + Footprint::of((streamed_at_once - 1) * block_) + block_loading_;
}

}  // namespace sleb
