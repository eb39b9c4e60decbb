// sleb prune --dry-run: what a search would take, without running it.
#pragma once

#include <string>

#include "apps/sleb/commands/prune/prune_repair.h"
#include "apps/sleb/commands/search_memory.h"
#include "sleb/search/search.h"

namespace sleb::app {

struct DryRun {
  std::string model;  // as the user named it
  SearchKind kind = SearchKind::race;
  double budget = 1;                 // of a search for better sets, in exact greedy searches
  std::string json;                  // file, "-" or ""
  bool may_end_earlier = false;      // a condition chooses the number of blocks
  const Corpus* held_out = nullptr;  // what each of its sets is evaluated on; nullptr: nothing
};

// Prints memory and time, and writes them as JSON. Loads the first block and the head for a probe of a second or two.
// `repair`: after the search; nullptr: none.
void show_dry_run(const DryRun& run, const SearchToPlan& search, const SearchMemory& memory,
                  const PlannedRepair* repair);

}  // namespace sleb::app
