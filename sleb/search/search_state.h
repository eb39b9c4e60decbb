// What a search has found so far, kept in a file beside its output so that a stopped or killed run can go on.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/engine/sweep/plan_evaluator.h"
#include "sleb/search/best.h"
#include "sleb/search/greedy.h"

namespace sleb {

// What the losses of a search depend on, by the name that a user knows it by: {"seed", "0"}, {"model", "xxh3:..."}.
class Fingerprint {
 public:
  void add(std::string name, std::string value) { entries_.emplace_back(std::move(name), std::move(value)); }
  bool empty() const { return entries_.empty(); }
  // "" where there is no such entry.
  std::string value(std::string_view name) const;
  OrderedJson json() const;
  // Throws Error(bad_input) if `json` is not an object of strings.
  static Fingerprint from_json(const JsonView& json);
  // "seed was 0, is 1"; empty if there is no difference.
  std::string difference_to(const Fingerprint& now) const;

 private:
  std::vector<std::pair<std::string, std::string>> entries_;
};

// What the bits of losses depend on of where they are computed: "--dtype", "--device", "--threads", and on GPUs, by
// this name, the cards and libtorch's version.
inline constexpr const char* gpu_arithmetic = "what computes";
void add_compute(Fingerprint& fingerprint, const Compute& compute);

struct SearchState {
  GreedyResult finished;
  std::vector<SetRace> races = {};  // after greedy's rounds, of a search for better sets
  // Of the race that was going on: the losses of its plans on the parts of the text that they have seen. Empty: none.
  std::vector<PlanLoss> round = {};
  Json callers = {};  // what the search's caller keeps with it
};

// As JSON, to the last digit. `label` begins the message of Error(bad_input) if the text is damaged.
std::string text_of(const SearchState& state);
SearchState search_state_of(const std::string& text, const std::string& label);

struct SavedSearch {
  Fingerprint fingerprint;
  SearchState state;
};

// Whether the file begins as save_search begins it; what was cut off counts too.
bool is_saved_search(const std::filesystem::path& file);
// Nothing where the file does not exist. Throws Error(bad_input) if it is damaged.
std::optional<SavedSearch> load_search(const std::filesystem::path& file);
// Written whole or not at all. Throws Error(failed) where the disk refuses.
void save_search(const std::filesystem::path& file, const SavedSearch& search);

}  // namespace sleb
