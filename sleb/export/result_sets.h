// The sets of blocks in what sleb prune, repair and export leave behind, a folder's sleb.json or the file of --json.
// All else that a search's result holds is sleb/report/result/prune_result.h's to read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/engine/plans/removal_list.h"

namespace sleb {

// A search leaves more sets of blocks than the one it was asked for: one for each number of blocks on its way.
class ResultSets {
 public:
  // Throws Error(bad_input), naming the place, for JSON that is none: without a removal list, with blocks that the
  // model does not have, all of them, or one twice.
  explicit ResultSets(const JsonView& json);

  const std::string& place() const { return place_; }    // the file, as messages begin
  const std::string& model() const { return model_; }    // as it was named
  const std::string& commit() const { return commit_; }  // of a model of the hub; "": none is recorded
  // Checkpoint::fingerprint of that model; "": none is recorded.
  const std::string& fingerprint() const { return fingerprint_; }
  int64_t num_blocks() const { return num_blocks_; }  // before pruning
  bool is_repaired() const { return is_repaired_; }   // matrices were fitted too
  const RemovalList& removal_list() const { return removal_list_; }

  // How many blocks the sets leave, the most first; one that lost a half is half a block.
  std::vector<double> sizes() const;
  // The set that leaves so many: the best one found, of a greedy search the blocks it removed first. A larger set need
  // not hold a smaller one. Throws Error(bad_input), naming the sizes that there are.
  RemovalList set_leaving(double blocks) const;

 private:
  void add_sets(const JsonView& sets);  // of sizes that have none yet

  std::string place_, model_, commit_, fingerprint_;
  int64_t num_blocks_;
  bool is_repaired_;
  RemovalList removal_list_;
  std::map<size_t, RemovalList> sets_;  // by the halves that are gone
  RemovalList order_;                   // of a greedy search's removal
};

// The file that holds a result: `path`, or of a folder or a GGUF what record_of says.
std::filesystem::path file_of_result(const std::filesystem::path& path);
// Throws Error(bad_input) for a file that is not there, more than 64 MiB or no JSON.
Json read_result(const std::filesystem::path& file);
// Likewise, and what ResultSets throws.
ResultSets read_result_sets(const std::filesystem::path& path);

}  // namespace sleb
