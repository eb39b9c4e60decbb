// A result of sleb prune, as --from and sleb recipe read it: each set leaves as many blocks as it is found by, and the
// runs that are kept are all blocks but those removed.
#include "sleb/export/recipe.h"

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sleb;
  fuzzing::accepts([&] {
    const Json result = parse_json(fuzzing::text_of(data, size), "sleb.json");
    const ResultSets read(JsonView(result, "sleb.json"));
    for (const double left : read.sizes()) {
      if (2 * (static_cast<double>(read.num_blocks()) - left) != 2 * blocks_in(read.set_leaving(left))) std::abort();
    }
    const Recipe recipe = recipe_of(read, read.removal_list());
    int64_t kept = 0;
    for (const auto& [first, end] : kept_runs(recipe)) kept += end - first;
    if (kept != recipe.num_blocks - std::ssize(recipe.removed) || text_of(recipe).empty()) std::abort();
  });
  return 0;
}
