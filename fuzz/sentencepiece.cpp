// tokenizer.model, and what is encoded by it.
#include <memory>

#include "fuzz/fuzz.h"
#include "sleb/text/sources/folder_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sleb;
  static const fuzzing::Scratch scratch;
  scratch.write("tokenizer.model", fuzzing::text_of(data, size));
  std::unique_ptr<Tokenizer> tokenizer;
  if (!fuzzing::accepts([&] { tokenizer = std::make_unique<Tokenizer>(tokenizer_of_folder(scratch.folder())); })) {
    return 0;
  }
  fuzzing::accepts([&] { tokenizer->encode("The quick  \xc3\xa9\xf0\x9f\x98\x80 <s>\xff fox"); });
  return 0;
}
