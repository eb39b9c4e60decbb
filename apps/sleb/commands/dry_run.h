// sleb prune --dry-run: what a search would take, without running it.
#pragma once

#include <string>

#include "apps/sleb/commands/search_memory.h"

namespace sleb::app {

struct DryRun {
  std::string model;  // as the user named it
  bool is_race = false;
  std::string json;  // file, "-" or ""
};

// Prints memory and time, and writes them as JSON. Loads the first block and the head for a probe of a second or two.
void show_dry_run(const DryRun& run, const SearchToPlan& search, const SearchMemory& memory);

}  // namespace sleb::app
