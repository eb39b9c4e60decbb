#include "apps/sleb/commands/search_memory.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "sleb/base/error.h"
#include "sleb/base/numbers.h"
#include "sleb/corpus/mixture.h"
#include "sleb/engine/memory/probe.h"
#include "sleb/engine/sequences/self_text.h"
#include "sleb/eval/task_runner.h"
#include "sleb/search/race_sweep.h"

namespace sleb::app {
namespace {

// All texts have segments of one length; more of them at a time take more.
std::optional<SweepSize> texts_sweep(const std::vector<Corpus>& texts) {
  if (texts.empty()) return {};
  const Corpus& longest = *std::ranges::max_element(texts, {}, &Corpus::segments);
  return SweepSize{.segments = longest.segments,
                   .seqlen = longest.seqlen,
                   .states = 2,
                   .scored_rows = longest.seqlen,
                   .divergence = true};
}

std::optional<SweepSize> tasks_sweep(const std::vector<LoadedTask>& tasks, const Compute& compute) {
  if (tasks.empty()) return {};
  const int64_t longest = tokens_of(tasks).longest;
  const int64_t groups = std::max<int64_t>(1, score_batch_tokens(compute) / longest);
  return SweepSize{.segments = groups,
                   .seqlen = longest,
                   .states = 2,
                   .scored_rows = longest,
                   .masks = true,
                   .chunk_segments = groups};
}

Workload workload_of(const SearchToPlan& search) {
  const ModelSpec& spec = search.checkpoint.spec();
  // No race of a search for better sets has more plans than greedy's first round.
  const std::vector<Plan> candidates =
      plans_without({}, candidates_after({}, spec.num_blocks, search.greedy), search.greedy.units);
  const SweepSize sizes{.segments = search.calibration.segments,
                        .seqlen = search.calibration.seqlen,
                        .scored_rows = default_block_tokens,
                        .divergence = true};
  Workload workload = search_workload(spec, search.compute, candidates, sizes);
  const auto add_writing = [&](const Corpus& text) {
    for (const Corpus* own : self_texts_of(text)) {
      workload.writing = std::max(workload.writing, self_text_bytes(spec, search.compute, own->self_text->tokens));
    }
  };
  add_writing(search.calibration);
  for (const Corpus& text : search.evaluation.texts) add_writing(text);
  workload.texts = texts_sweep(search.evaluation.texts);
  workload.tasks = tasks_sweep(search.evaluation.tasks, search.compute);
  if (search.prompt_tokens > 0) {
    workload.prompt = SweepSize{.segments = 1, .seqlen = search.prompt_tokens, .chunk_segments = 1};
  }
  return workload;
}

// Limits of address space count what is reserved and hardly used: a stack and malloc's room for every thread to come,
// and 256 KiB for every kernel that oneDNN generates, each shape of a product having several (22 MB in a race by KL
// over 7 segments of 512 tokens).
uint64_t reserved_addresses(const MemoryBound& bound) {
  if (bound.name == "ulimit -v") return uint64_t{192} << 20;
  return bound.name == "ulimit -d" ? uint64_t{48} << 20 : 0;
}

[[noreturn]] void refuse(const SearchToPlan& search, const MemoryBound& bound, uint64_t need, uint64_t sharers) {
  std::string way_out = bound.name.empty()
                            ? fmt::format("{} bytes free would do", need * sharers)
                            : fmt::format("{} of {} bytes would do", bound.name, bound.used + need * sharers);
  if (search.preferences.state_memory.value_or(0) > 0) way_out += ", or less --state-memory";
  if (search.preferences.weights_memory) way_out += ", or less --weights-memory";
  bad_input("{}: the search takes {} more than the program has already, and {} are free{}; {}",
            search.checkpoint.path().string(), format_bytes(need), format_bytes(bound.free / sharers),
            bound.name.empty() ? "" : fmt::format(" below {}", bound.name), way_out);
}

}  // namespace

uint64_t SearchMemory::peak() const {
  if (!is_on_cpu) return prediction.growth.resident;
  return std::max(process.peak, process.resident + prediction.growth.resident);
}

SearchMemory plan_memory(const SearchToPlan& search) {
  warm_up(search.compute);
  give_back_freed();
  const MemoryPlan plan(search.checkpoint.spec(), search.compute, stored_forms(search.checkpoint), workload_of(search));
  SearchMemory memory;
  memory.default_chunk = plan.default_chunk();
  memory.process = process_memory();
  memory.is_on_cpu = search.compute.device == "cpu";
  const uint64_t sharers = memory.is_on_cpu ? static_cast<uint64_t>(search.sharers) : 1;  // each has a GPU of its own
  MemoryBound bound = tightest_memory_bound();
  std::vector<uint64_t> free = {bound.free / sharers};
  uint64_t reserved = reserved_addresses(bound);
  if (!memory.is_on_cpu) {
    free = free_memory(search.compute);
    bound = {.name = "", .free = free[0]};
    reserved = left_to_libtorch(free[0]);
  }
  memory.free = std::accumulate(free.begin(), free.end(), uint64_t{0});
  for (uint64_t& own : free) own -= std::min(own, memory.is_on_cpu ? reserved : left_to_libtorch(own));
  const auto choice = plan.choose(free, search.preferences);
  if (!choice) refuse(search, bound, plan.least(search.preferences) + reserved, sharers);
  memory.choice = *choice;
  memory.prediction = plan.predict(*choice);
  if (!memory.is_on_cpu && !search.preferences.state_memory) {
    const uint64_t streamed = choice->residency.all_resident() ? 0 : search.checkpoint.file_bytes();
    memory.host_states = host_state_limit(available_memory(), streamed) / static_cast<uint64_t>(search.sharers);
  }
  return memory;
}

void note_peak(const Compute& compute, Progress& progress) {
  progress.note(fmt::format("memory: the peak was {}", format_bytes(peak_memory(compute))));
}

void note_memory(const SearchMemory& memory, int64_t num_blocks, Progress& progress) {
  progress.note(fmt::format("memory: a peak of {} is expected, {} are free", format_bytes(memory.peak()),
                            format_bytes(memory.free)));
  if (memory.choice.chunk_segments < memory.default_chunk) {
    progress.note(fmt::format("memory is short: {} segment{} at a time instead of {}", memory.choice.chunk_segments,
                              memory.choice.chunk_segments == 1 ? "" : "s", memory.default_chunk));
  }
  if (memory.choice.residency.resident_blocks() < num_blocks) {
    progress.note(fmt::format("{} of {} blocks stay in memory; the others are read in every pass",
                              memory.choice.residency.resident_blocks(), num_blocks));
  }
}

}  // namespace sleb::app
