// --from and --blocks: blocks to leave out that an earlier search found, of the commands that take a --removal-list.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/export/result_sets.h"
#include "sleb/hub/model_source.h"

namespace sleb::app {

struct FoundSets {
  std::string result = {};               // a folder with a sleb.json, or such a file; "": none was given
  std::string blocks = {};               // "26", "26,24", "all"; "": the result's own removal list
  bool repairs = false;                  // the command fits matrices by itself
  std::optional<ResultSets> found = {};  // what the result says, once it is read
};

enum class SetsTaken { one, several };

// --from and --blocks, beside a --removal-list that is there already.
void add_found_sets(CLI::App& command, FoundSets& sets, SetsTaken taken);
// --blocks alone, of a command that has a result otherwise.
void add_blocks(CLI::App& command, std::string& blocks, SetsTaken taken);
// Throws Error(bad_input) where neither --removal-list nor --from was given.
void check_blocks_given(const CLI::App& command);

// What --blocks means of a result. Throws Error(bad_input) for sizes that it has no set of.
std::vector<RemovalList> sets_of(const ResultSets& result, const std::string& blocks);

// Puts what --from means in the place of --removal-list; does nothing without --from. To be called before a model is
// looked for. Throws what read_result_sets and sets_of throw.
void read_found_sets(FoundSets& sets, std::string& removal_list);
void read_found_sets(FoundSets& sets, std::vector<std::string>& removal_lists);
// Throws Error(bad_input) if the result is of a model with another number of blocks. Warns if it is of another model by
// what it records of it, for which all of the model may be read once, and that a repair is not taken. `model`: as
// typed.
void check_found_sets(const FoundSets& sets, const std::string& model, const ModelSource& source,
                      const Checkpoint& checkpoint, Progress& progress);

}  // namespace sleb::app
