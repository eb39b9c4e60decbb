// Text rows. The input is read as a gzip stream and, since few changes leave its checksum right, as plain lines and
// as CSV too.
#include "fuzz/fuzz.h"
#include "sleb/corpus/corpus.h"
#include "sleb/corpus/tables/table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sleb;
  static const fuzzing::Scratch scratch;
  for (const std::string_view name : {"x.jsonl.gz", "x.jsonl", "x.txt", "x.csv"}) {
    const auto path = scratch.write(name, fuzzing::text_of(data, size));
    fuzzing::accepts([&] {
      const TextRows rows = read_rows(path);
      join_rows(sample_rows(rows, 0, 3), rows.rules);
    });
    if (is_table(path)) fuzzing::accepts([&] { for_each_record(path, {}, [](int64_t, const Json&) {}); });
  }
  return 0;
}
