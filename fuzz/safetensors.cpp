// A .safetensors file.
#include "sleb/checkpoint/formats/safetensors.h"

#include "fuzz/decode_all.h"
#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sleb;
  static const fuzzing::Scratch scratch;
  const auto path = scratch.write("x.safetensors", fuzzing::text_of(data, size));
  fuzzing::accepts([&] { fuzzing::decode_all(SafetensorsReader::open_file(path).tensors()); });
  return 0;
}
