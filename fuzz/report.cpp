// A result of sleb prune, as sleb report reads it: what is accepted can be drawn in every form.
#include "fuzz/fuzz.h"
#include "sleb/report/page/page.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sleb;
  fuzzing::accepts([&] {
    const Json json = parse_json(fuzzing::text_of(data, size), "sleb.json");
    const result::PruneResult read = result::prune_result(JsonView(json, "sleb.json"));
    const page::NamedResult both[] = {{"one", &read}, {"two", &read}};
    for (const std::string& text : {page::page_of(read), page::page_of(both), page::picture_of(read),
                                    page::picture_of(both), page::numbers_of(both).dump()}) {
      // No number that is none is drawn.
      for (const char* part : {"\"nan\"", "\"inf\"", "\"-inf\"", "<script"}) {
        if (text.find(part) != std::string::npos) std::abort();
      }
    }
  });
  return 0;
}
