// What a user says to sleb prune.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/sleb/commands/eval/evaluation.h"
#include "apps/sleb/commands/repair/repair_text.h"
#include "apps/sleb/options/calibration.h"
#include "apps/sleb/options/results.h"
#include "apps/sleb/options/run_records.h"
#include "sleb/engine/compute.h"
#include "sleb/export/pruned_checkpoint.h"
#include "sleb/report/size_choice.h"
#include "sleb/search/greedy.h"
#include "sleb/search/search.h"

namespace sleb::app {

struct PruneArguments {
  std::string model;
  int64_t num_blocks = 0;  // that the user takes the model to have; 0: not said
  CalibrationArguments calibration;
  GreedyOptions greedy;
  double ratio = 0;
  SizeConditions until;         // with any, the number of blocks is the most that may go
  int64_t speed_up_tokens = 0;  // prompt_tokens, in every process
  std::string units = "block";
  std::string search = "race";
  std::optional<double> confidence;      // SearchOptions' where it is not given
  std::optional<double> budget;          // likewise
  std::string criterion;                 // "": the search's own
  std::optional<uint64_t> state_memory;  // bytes
  bool repair = false;
  RepairTextArguments repair_text;  // segments, seed and BOS are the calibration's
  ComputeOptions compute;
  ExportOptions output;
  std::string out;
  std::string recipe;      // file; "": none
  std::string base_model;  // "org/name"; "": the model's own, if it has one
  std::vector<std::string> eval_texts;
  int64_t eval_segments = 0;  // 0: all
  TaskArguments eval_tasks{.option = "--eval-tasks"};
  int64_t prompt_tokens = 512;
  ResultArguments results;
  std::string report;  // file; "": none
  RecordArguments record{.usual_file = "sleb_results.txt"};
  bool resume = false;
  bool dry_run = false;
};

// The options, with their help and examples.
void add_prune_arguments(CLI::App& command, PruneArguments& arguments);

// Throws Error(bad_input) for what the kind of search that they ask for makes no use of.
void check_search(const PruneArguments& arguments);

// The search that they ask for. Throws Error(bad_input) if it is not possible on this model.
SearchOptions search_options(const PruneArguments& arguments, const ModelSpec& spec);

}  // namespace sleb::app
