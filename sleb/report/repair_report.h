// What a repair leaves behind: its part of sleb.json and of the model card, and its table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/corpus/corpus.h"
#include "sleb/engine/compute.h"
#include "sleb/engine/repair/repair.h"
#include "sleb/export/model_origin.h"
#include "sleb/report/table.h"

namespace sleb {

struct RepairSummary {
  std::vector<Corpus> texts;  // without ids
  uint64_t seed;
  int64_t fitted_segments;
  int64_t held_out_segments;
  std::vector<RepairedMatrix> matrices;
  std::vector<std::string> changed_tensors;  // named as in the original model
  double seconds;
};

// Of `sleb repair`.
struct RepairReport {
  std::string model;  // as the user named it
  ModelOrigin origin;
  std::string command;
  int64_t num_blocks;
  std::vector<int64_t> removal_list;
  Compute compute;
  RepairSummary repair;
};

// The member "repair" of sleb.json; docs/reference.md says what is in it.
OrderedJson to_json(const RepairSummary& repair);
OrderedJson to_json(const RepairReport& report);
// A matrix a line: the ridge, or how many of a block's experts were changed, and the errors of the hidden state behind
// it.
Table repair_table(const RepairSummary& repair);
// "24 of 26 output matrices changed; ...": what the errors behind the last of them are.
std::string in_words(const RepairSummary& repair);
// "block 7: 3 of 8 experts left, fewer than 160 tokens reach them: 1, 4, 6": a line a block that has such experts.
std::vector<std::string> experts_left(const RepairSummary& repair);
// For a model card, paragraphs in Markdown: which weights were changed, and how; and the table.
std::string what_was_repaired(const RepairSummary& repair);
std::string repair_errors(const RepairSummary& repair);
// README.md of the checkpoint.
std::string model_card(const RepairReport& report);

}  // namespace sleb
