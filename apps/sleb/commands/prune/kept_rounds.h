// How a stopped or killed `sleb prune` goes on: its finished rounds are kept in a file beside the output until that is
// whole.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "sleb/engine/compute.h"
#include "sleb/search/search_state.h"

namespace sleb::app {

// The fingerprint's entry of PlanEvaluator::chunk_segments.
constexpr std::string_view segments_at_a_time = "the number of segments computed at a time";

struct OutputPlaces {
  std::string out;   // folder or GGUF; "": none
  std::string json;  // file; "" or "-": none
  bool resume = false;
  bool force = false;
};

class KeptRounds {
 public:
  // Throws Error(bad_input) if something else is there, if rounds are kept there and the user asked neither to go on
  // nor to begin anew, and if there is nowhere to keep rounds and the user asked to go on.
  explicit KeptRounds(const OutputPlaces& places);

  // The file beside these outputs that keeps finished rounds; empty where there is no output to keep them beside.
  static std::filesystem::path place(const OutputPlaces& places);
  // Whether an earlier `sleb prune` wrote the file: --resume may write it again.
  static bool is_result(const std::filesystem::path& file);
  // Whether an earlier run ended, or was killed, before its output was whole.
  bool are_there() const { return earlier_.has_value(); }
  // False: there is no output beside which to keep anything.
  bool possible() const { return !file_.empty(); }
  // The output may be an earlier run's of the same command; finished_result() will tell.
  bool may_be_finished() const;
  // Options that were left to sleb are what they were in the earlier run.
  void adopt(ComputeOptions& options) const;
  // Of the earlier run, if there was one.
  std::optional<int64_t> segments_at_a_time() const;

  // The JSON of the output (record_of), if it is there and of this very search.
  std::optional<OrderedJson> finished_result(const Fingerprint& now) const;
  // Where the search begins. Throws Error(bad_input), naming the difference, if what is kept is another search's.
  SearchState begin(const Fingerprint& now, Progress& progress);
  // A disk that refuses costs a warning, not the search.
  void save(const SearchState& state, Progress& progress);
  void remove();
  // What became of the work when a run ends early: "2 rounds are kept ...", and what goes on from there; empty if
  // nothing is kept.
  std::string closing_message(std::string_view what_goes_on = "the same command with --resume goes on") const;

 private:
  std::filesystem::path result_file() const;
  void check_no_other_result(const Fingerprint& now) const;

  OutputPlaces places_;
  std::filesystem::path file_;
  std::optional<SavedSearch> earlier_;
  Fingerprint fingerprint_;
  std::optional<size_t> rounds_kept_;
};

}  // namespace sleb::app
