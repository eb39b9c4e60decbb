#include "sleb/engine/memory/memory_plan.h"

#include <algorithm>
#include <utility>

#include "sleb/engine/plans/operations.h"
#include "sleb/engine/plans/resume_depths.h"

namespace sleb {
namespace {

// What malloc, the matrix libraries' own buffers and their generated code take beyond what is asked for: a few MB
// whatever is run.
constexpr uint64_t runtime_bytes = uint64_t{4} << 20;

// Of the machine's memory others want a part; a GPU's is there for this process.
uint64_t state_share(const Compute& compute, uint64_t bytes) {
  return compute.device == "cpu" ? bytes / 4 : bytes / 4 * 3;
}

}  // namespace

uint64_t left_to_libtorch(uint64_t free) {
  return std::max(free / 16, std::min(free / 4, uint64_t{1} << 30));
}

uint64_t host_state_limit(uint64_t available, uint64_t streamed_files) {
  return (available - std::min(available, streamed_files)) / 4;
}

Workload search_workload(const ModelSpec& spec, const Compute& compute, std::span<const Plan> candidates,
                         const SweepSize& sizes) {
  std::vector<Plan> plans(candidates.begin(), candidates.end());
  plans.emplace_back();  // the dense model
  Workload workload{.search = sizes};
  workload.search.states = make_schedule(plans, spec.num_blocks).num_states;
  std::vector<LikelyPlan> likely;
  for (const Plan& plan : candidates) likely.push_back({plan});
  int64_t states = sizes.divergence ? 1 : 0;  // the dense model's last, which every round compares with
  for (const ResumeDepth& place : resume_depths(plans, likely, spec.num_blocks)) states += place.states;
  workload.useful_states =
      static_cast<uint64_t>(states * sizes.segments * sizes.seqlen * spec.hidden_size) * bytes_per_element(compute);
  return workload;
}

MemoryPlan::MemoryPlan(const ModelSpec& spec, const Compute& compute, StoredForms forms, Workload workload)
    : spec_(spec),
      compute_(compute),
      forms_(std::move(forms)),
      workload_(workload),
      weights_(spec_, compute_, forms_) {}

int64_t MemoryPlan::default_chunk() const {
  return default_chunk_segments(spec_, compute_, workload_.search.seqlen, workload_.search.segments);
}

MemoryPrediction MemoryPlan::predict(const MemoryChoice& choice) const {
  MemoryPrediction prediction;
  SweepSize search = workload_.search;
  search.chunk_segments = choice.chunk_segments;
  const uint64_t kept_at_most = std::min(choice.state_memory, workload_.useful_states);
  const uint64_t state = state_bytes(spec_, compute_, search);
  prediction.kept = kept_at_most / state * state;
  prediction.weights = choice.residency.bytes;
  const Footprint held = weights_.held(choice.residency) + Footprint::of(runtime_bytes);
  const auto running = [&](const SweepMemory& sweep) { return held + Footprint::of(sweep.states) + sweep.work; };
  const Footprint kept = Footprint::of(prediction.kept);

  const SweepMemory widest = sweep_memory(spec_, compute_, forms_, search);
  prediction.states = widest.states;
  prediction.growth = larger(weights_.loading(choice.residency), running(widest) + kept);
  if (workload_.writing > 0) {
    prediction.growth = larger(prediction.growth, held + Footprint::of(workload_.writing));
  }
  for (std::optional<SweepSize> after : {workload_.texts, workload_.tasks, workload_.prompt}) {
    if (!after) continue;
    if (after->chunk_segments == 0) after->chunk_segments = choice.chunk_segments;
    prediction.growth = larger(prediction.growth, running(sweep_memory(spec_, compute_, forms_, *after)) + kept);
  }
  const uint64_t named = prediction.weights + prediction.states + prediction.kept;
  prediction.other = prediction.growth.resident - std::min(prediction.growth.resident, named);
  return prediction;
}

int64_t MemoryPlan::wanted_chunk(const Preferences& preferences) const {
  return std::min(preferences.chunk_segments.value_or(default_chunk()), workload_.search.segments);
}

std::optional<MemoryChoice> MemoryPlan::choose_with(const Residency& residency, uint64_t free,
                                                    const Preferences& preferences) const {
  for (int64_t chunk = wanted_chunk(preferences);; chunk /= 2) {
    MemoryChoice choice{residency, preferences.state_memory.value_or(0), chunk};
    const uint64_t need = needed(choice);
    if (need <= free) {
      const uint64_t after_loading = free - std::min(free, residency.bytes);
      if (!preferences.state_memory) choice.state_memory = std::min(state_share(compute_, after_loading), free - need);
      return choice;
    }
    if (chunk == 1 || preferences.chunk_segments) return {};
  }
}

std::optional<MemoryChoice> MemoryPlan::choose_streamed(uint64_t free, const Preferences& preferences) const {
  // Every chunk reads the blocks once more, so large chunks come before resident blocks.
  const auto choice = choose_with(weights_.residency(weights_.least()), free, preferences);
  if (!choice) return {};
  Preferences same_chunk = preferences;
  same_chunk.chunk_segments = choice->chunk_segments;
  uint64_t fits = weights_.least(), too_much = weights_.all().bytes;
  while (too_much - fits > too_much / 1024 + 1) {
    const uint64_t middle = fits + (too_much - fits) / 2;
    (choose_with(weights_.residency(middle), free, same_chunk) ? fits : too_much) = middle;
  }
  return choose_with(weights_.residency(fits), free, same_chunk);
}

// Beside its weights every device has the states and activations for itself, one after the other.
std::optional<MemoryChoice> MemoryPlan::choose_spread(std::span<const uint64_t> free,
                                                      const Preferences& preferences) const {
  const auto with_chunk = [&](int64_t chunk) -> std::optional<MemoryChoice> {
    MemoryChoice choice{weights_.all(), preferences.state_memory.value_or(0), chunk};
    const uint64_t beside = needed(choice) - std::min(needed(choice), choice.residency.bytes);
    std::vector<uint64_t> room;
    for (const uint64_t own : free) room.push_back(own - std::min(own, beside));
    const auto spread = weights_.spread(room);
    if (!spread) return {};
    choice.residency = *spread;
    return choice;
  };
  for (int64_t chunk = wanted_chunk(preferences);; chunk /= 2) {
    auto choice = with_chunk(chunk);
    if (choice || chunk == 1 || preferences.chunk_segments) return choice;
  }
}

std::optional<MemoryChoice> MemoryPlan::choose(std::span<const uint64_t> free, const Preferences& preferences) const {
  if (preferences.weights_memory)
    return choose_with(weights_.residency(*preferences.weights_memory), free[0], preferences);
  if (auto choice = choose_with(weights_.all(), free[0], preferences)) return choice;
  if (free.size() > 1) {
    if (auto choice = choose_spread(free, preferences)) return choice;
  }
  return choose_streamed(free[0], preferences);
}

uint64_t MemoryPlan::least(const Preferences& preferences) const {
  MemoryChoice choice{weights_.residency(preferences.weights_memory.value_or(weights_.least())),
                      preferences.state_memory.value_or(0),
                      std::min(preferences.chunk_segments.value_or(1), workload_.search.segments)};
  return needed(choice);
}

}  // namespace sleb
