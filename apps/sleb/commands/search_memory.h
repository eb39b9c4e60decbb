// The memory that a search is going to take: chosen so that it fits, or refused, before anything is loaded.
#pragma once

#include <optional>
#include <string>

#include "apps/sleb/commands/eval/evaluation.h"
#include "sleb/base/memory.h"
#include "sleb/base/progress.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/corpus/corpus.h"
#include "sleb/engine/memory/memory_plan.h"
#include "sleb/search/greedy.h"

namespace sleb::app {

struct SearchToPlan {
  const Checkpoint& checkpoint;
  const Compute& compute;
  const GreedyOptions& greedy;
  const Corpus& calibration;
  const EvaluationInputs& evaluation;  // after the search
  int64_t prompt_tokens = 0;           // of the closing speed test; 0: none
  MemoryPlan::Preferences preferences = {};
  int64_t sharers = 1;  // processes of this machine that take as much
};

struct SearchMemory {
  MemoryChoice choice;
  MemoryPrediction prediction;
  int64_t default_chunk = 0;  // segments, if memory suffices
  ProcessMemory process;      // before the model is loaded
  bool is_on_cpu = true;      // else weights and states are on GPUs
  uint64_t free = 0;          // bytes then, of all devices together
  uint64_t host_states = 0;   // bytes that kept states may take in the machine's memory beside a GPU's

  // Maximum resident set size of the process, bytes; of a device, what is taken there.
  uint64_t peak() const;
};

// Throws Error(bad_input), naming the least that would do, if the search does not fit what is free.
SearchMemory plan_memory(const SearchToPlan& search);

// What is expected, and what was chosen because memory is short.
void note_memory(const SearchMemory& memory, int64_t num_blocks, Progress& progress);

// What memory the process has taken at most so far.
void note_peak(const Compute& compute, Progress& progress);

}  // namespace sleb::app
