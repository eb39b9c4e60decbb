// Token ids in a .npy file.
#include "fuzz/fuzz.h"
#include "sleb/corpus/corpus.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sleb;
  static const fuzzing::Scratch scratch;
  const auto path = scratch.write("x.npy", fuzzing::text_of(data, size));
  fuzzing::accepts([&] { cut_segments("x.npy", read_npy_ids(path), 2, {}); });
  return 0;
}
