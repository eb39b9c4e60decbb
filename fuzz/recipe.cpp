// A result of sleb prune, as sleb recipe reads it: the runs that are kept are all blocks but those removed.
#include "sleb/export/recipe.h"

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sleb;
  fuzzing::accepts([&] {
    const Json result = parse_json(fuzzing::text_of(data, size), "sleb.json");
    const Recipe recipe = recipe_of(JsonView(result, "sleb.json"));
    int64_t kept = 0;
    for (const auto& [first, end] : kept_runs(recipe)) kept += end - first;
    if (kept != recipe.num_blocks - std::ssize(recipe.removed) || text_of(recipe).empty()) std::abort();
  });
  return 0;
}
