// What a pruning run leaves behind: sleb.json, the model card, the closing table.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/corpus/corpus.h"
#include "sleb/engine/compute.h"
#include "sleb/export/model_origin.h"
#include "sleb/report/eval_report.h"
#include "sleb/report/repair_report.h"
#include "sleb/report/size_choice.h"
#include "sleb/report/table.h"
#include "sleb/search/search.h"

namespace sleb {

struct ModelSize {
  double blocks;  // one that has lost a half is half a block
  int64_t parameters;
  uint64_t bytes;  // of the tensors, in the type that is written
};

struct PruneRepair {
  RepairSummary summary;
  double loss;  // of the repaired model on the calibration text, in the reference's unit
};

struct PruneReport {
  std::string model;  // as the user named it
  ModelOrigin origin;
  std::string command;
  int64_t num_blocks;
  Corpus calibration;  // without ids
  uint64_t seed;
  int64_t early_barrier;  // blocks
  int64_t latter_barrier;
  Compute compute;
  std::string processor;  // its name; "": not known
  std::string search;
  std::optional<double> confidence;  // of a race
  std::optional<double> budget;      // of a search for better sets, in exact greedy searches
  Criterion criterion;
  Fingerprint fingerprint;
  SearchResult result;
  double seconds;
  ModelSize dense_size;
  ModelSize pruned_size;
  std::optional<SizeChoice> size;  // where a condition chose the number of blocks
  std::optional<PromptSpeed> speed;
  std::optional<EvalReport> evaluation;  // of the dense model, the pruned one, and that repaired
  std::optional<PruneRepair> repair;
};

// DESIGN section 4's JSON; docs/reference.md says what else is in it.
OrderedJson to_json(const PruneReport& report);
// Dense beside pruned, and repaired, a measure a line.
Table comparison_table(const PruneReport& report);
// "comparison", "sizes" where a condition chose one, "best sets" of a search for such, and those of the evaluation.
std::vector<NamedTable> tables_of(const PruneReport& report);
// README.md of the checkpoint: front matter, what was removed, the picture beside it, the table, the command.
std::string model_card(const PruneReport& report);

}  // namespace sleb
