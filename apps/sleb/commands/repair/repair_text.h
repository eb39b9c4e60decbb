// The texts that a repair is fitted to: several, mixed.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "sleb/checkpoint/checkpoint.h"
#include "sleb/corpus/corpus.h"

namespace sleb::app {

struct RepairTextArguments {
  std::vector<std::string> datasets;  // empty: the command's default
  int64_t tokens = 0;                 // of all together; 0: by the model's widths
  int64_t seqlen = 1024;
  uint64_t seed = 0;
  std::string bos;  // "": by the model
};

// --repair-dataset and --repair-tokens; the help says that texts are `default_texts` where none are given.
void add_repair_text(CLI::App& command, RepairTextArguments& arguments, const std::string& default_texts);

// What can be said before the model is there. Throws Error(bad_input) for a text without a name, for one that stands
// twice, and what check_calibration throws.
void check_repair_texts(const RepairTextArguments& arguments);
// One corpus a text, in whole segments: self:TOKENS has its own number, the others share what is left of all, of
// which self takes three times what another does.
// Text that the model is to write comes without its ids (self_text.h). Throws Error.
std::vector<Corpus> load_repair_texts(const Checkpoint& checkpoint, const RepairTextArguments& arguments,
                                      Progress& progress);
// All segments, one text behind the other.
Corpus joined(const std::vector<Corpus>& texts);

}  // namespace sleb::app
