// config.json, as it is read for a model and as it is written for a pruned one.
#include "fuzz/fuzz.h"
#include "sleb/base/json.h"
#include "sleb/checkpoint/configuration/config_keys.h"
#include "sleb/checkpoint/families.h"
#include "sleb/export/pruned_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sleb;
  const std::string_view text = fuzzing::text_of(data, size);
  fuzzing::accepts([&] {
    const Json config = parse_json(text, "config.json");
    const ModelSpec spec = spec_from_config(JsonView(config, "config.json"));
    config_warnings(JsonView(config, "config.json"), *find_family(spec.family));
    if (spec.num_blocks < 2) return;
    prune_config(parse_ordered_json(text, "config.json"), spec, kept_blocks(spec.num_blocks, {0}), "bfloat16", "c")
        .config.dump();
  });
  return 0;
}
