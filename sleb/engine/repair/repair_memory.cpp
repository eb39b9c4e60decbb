// Follows repair.cpp, mixture_fit.cpp, least_squares.cpp and changed_tensors.cpp.
#include "sleb/engine/repair/repair_memory.h"

#include <algorithm>

#include "sleb/engine/plans/operations.h"
#include "sleb/engine/repair/repair.h"
#include "sleb/engine/sequences/self_text.h"

namespace sleb {
namespace {

// What malloc, the matrix libraries' own buffers and their generated code take beyond what is asked for.
constexpr uint64_t runtime_bytes = uint64_t{24} << 20;

class Planner {
 public:
  Planner(const ModelSpec& spec, const Compute& compute, const StoredForms& forms, const RepairSize& size)
      : spec_(spec), compute_(compute), forms_(forms), size_(size), weights_(spec, compute, forms) {}

  const WeightMemory& weights() const { return weights_; }

  RepairMemory with(const Residency& residency, StatesPlace place) const {
    RepairMemory memory{residency, place, states(), solving(), {}};
    const bool counts_states = place == (is_on_cpu() ? StatesPlace::memory : StatesPlace::device);
    const Footprint held = weights_.held(residency) + Footprint::of(runtime_bytes);
    const Footprint running = held + chunk() + Footprint::of(memory.solving + choices(), is_on_cpu() ? changed() : 0) +
                              Footprint::of(counts_states ? memory.states : 0);
    memory.growth = larger(weights_.loading(residency), running);
    if (size_.self_text > 0) {
      memory.growth = larger(memory.growth, held + Footprint::of(self_text_bytes(spec_, compute_, size_.self_text)));
    }
    return memory;
  }

 private:
  bool is_on_cpu() const { return compute_.device == "cpu"; }

  uint64_t tokens() const { return static_cast<uint64_t>(size_.segments * size_.seqlen); }

  // Of the dense and of the pruned model; of a mixture also what a block's experts make of these.
  uint64_t states() const {
    const uint64_t count = spec_.is_mixture() ? 3 : 2;
    return count * tokens() * static_cast<uint64_t>(spec_.hidden_size) * bytes_per_element(compute_);
  }

  // Which tokens a block's experts have, and their weights.
  uint64_t choices() const {
    if (!spec_.is_mixture()) return 0;
    const int64_t each = spec_.experts.chosen + (spec_.experts.shared_size > 0 ? 1 : 0);
    return tokens() * static_cast<uint64_t>(each) * (sizeof(int64_t) + sizeof(float));
  }

  // Sums for the fitted and the held out text, beside a regular copy and its factor; and with as many rows as a hidden
  // state has dimensions the sums with what is lacking, two solutions, their product and right-hand side.
  uint64_t solving() const {
    const auto columns = static_cast<uint64_t>(widest_fit(spec_));
    return 8 * (4 * columns * columns + 7 * columns * static_cast<uint64_t>(spec_.hidden_size));
  }

  // The tensors that are going to be written are pages of files: all of the kept blocks' at most.
  uint64_t changed() const {
    const ExpertSpec& experts = spec_.experts;
    const int64_t mixtures = spec_.num_mixtures();
    const int64_t inner = spec_.has_weight(Part::down) ? spec_.part_shape(Part::down)[1] : 0;
    const int64_t columns = spec_.num_blocks * spec_.part_shape(Part::attention_output)[1] +
                            (spec_.num_blocks - mixtures) * inner +
                            mixtures * (experts.count * experts.size + experts.shared_size);
    return static_cast<uint64_t>(columns * spec_.hidden_size) * 2;
  }

  // A chunk's activations as in a sweep; an MLP's of all its rows, or those of an expert that all choose; inputs, twice
  // in float32, and what is lacking.
  Footprint chunk() const {
    SweepSize sweep{.segments = size_.segments, .seqlen = size_.seqlen};
    sweep.chunk_segments = default_chunk_segments(spec_, compute_, size_.seqlen, size_.segments);
    const SweepMemory memory = sweep_memory(spec_, compute_, forms_, sweep);
    const auto rows = static_cast<uint64_t>(sweep.chunk_segments * size_.seqlen);
    const int64_t widest = std::max({spec_.intermediate_size, spec_.experts.size, spec_.experts.shared_size});
    const auto inner = static_cast<uint64_t>(widest) * bytes_per_element(compute_);
    const auto given = static_cast<uint64_t>(widest_fit(spec_)) * 2 * sizeof(float);
    const auto lacking = static_cast<uint64_t>(spec_.hidden_size) * 4 * sizeof(float);
    return Footprint::of(memory.states + rows * (3 * inner + given + lacking)) + memory.work;
  }

  const ModelSpec& spec_;
  const Compute& compute_;
  const StoredForms& forms_;
  const RepairSize& size_;
  WeightMemory weights_;
};

}  // namespace

std::optional<RepairMemory> plan_repair_memory(const ModelSpec& spec, const Compute& compute, const StoredForms& forms,
                                               const RepairSize& size, const RepairLimits& limits) {
  const Planner planner(spec, compute, forms, size);
  const WeightMemory& weights = planner.weights();
  std::vector<Residency> residencies = {weights.all(), weights.residency(weights.least())};
  if (limits.weights_memory > 0) residencies = {weights.residency(limits.weights_memory)};
  const bool is_on_cpu = compute.device == "cpu";
  const uint64_t host_room = is_on_cpu ? limits.free : limits.host_free / 2;
  for (const Residency& residency : residencies) {
    for (const StatesPlace place : {StatesPlace::device, StatesPlace::memory, StatesPlace::disk}) {
      if (is_on_cpu && place == StatesPlace::device) continue;
      RepairMemory memory = planner.with(residency, place);
      const uint64_t room = limits.state_memory.value_or(place == StatesPlace::memory ? host_room : limits.free);
      const bool states_fit = place == StatesPlace::disk || memory.states <= room;
      if (states_fit && memory.growth.anonymous <= limits.free) return memory;
    }
  }
  return {};
}

uint64_t least_repair_memory(const ModelSpec& spec, const Compute& compute, const StoredForms& forms,
                             const RepairSize& size) {
  const Planner planner(spec, compute, forms, size);
  return planner.with(planner.weights().residency(planner.weights().least()), StatesPlace::disk).growth.anonymous;
}

}  // namespace sleb
