// What other programs are told, so that they make the same pruned model from the whole one: mergekit, which takes
// slices of blocks, and llama.cpp's llama-quantize, which leaves blocks out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sleb/export/result_sets.h"

namespace sleb {

struct Recipe {
  std::string model;  // as the other program finds it: a folder, a .gguf file, or "org/name[@revision]"
  bool is_gguf;
  int64_t num_blocks;
  std::vector<int64_t> removed;  // ascending
};

// Of a result's model without `removal_list`; `model`: in the place of the one that the result names, "" for that.
// Throws Error(bad_input) for an empty list, for halves of blocks, and for a repaired model: what the others leave out
// are whole blocks, and they change no matrix.
Recipe recipe_of(const ResultSets& result, const RemovalList& removal_list, const std::string& model = "");

// The kept blocks as runs, [first, end).
std::vector<std::pair<int64_t, int64_t>> kept_runs(const Recipe& recipe);

// A file for mergekit-yaml (mergekit 0.1.5, docs/passthrough and config.py); behind "#" how it and llama-quantize are
// called. Of a GGUF, which mergekit does not read, the latter alone.
std::string text_of(const Recipe& recipe);
// Whether `text` begins as such a file does.
bool is_recipe(std::string_view text);

}  // namespace sleb
