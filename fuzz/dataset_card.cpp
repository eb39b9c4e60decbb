// The card of a data set, and which of some files its patterns mean.
#include "fuzz/fuzz.h"
#include "sleb/datasets/data_files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sleb;
  static const std::vector<std::string> names = {"README.md",
                                                 "data/train-00000-of-00002.parquet",
                                                 "data/train-00001-of-00002.parquet",
                                                 "en/test.csv",
                                                 "en/dev/a.csv",
                                                 ".hidden/a.jsonl",
                                                 "__x__/b.txt",
                                                 "a.json.gz",
                                                 "\xc3\xa4/b.md",
                                                 "deep/er/and/deeper/train_1.tsv"};
  fuzzing::accepts([&] {
    for (const DatasetConfig& config : configs_of(fuzzing::text_of(data, size), "", "")) {
      fuzzing::accepts([&] { splits_of(config, names, "it"); });
    }
  });
  return 0;
}
