// vocab.json, merges.txt and tokenizer_config.json: the input is the three of them, with a zero byte between.
#include <array>
#include <memory>

#include "fuzz/fuzz.h"
#include "sleb/text/sources/folder_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sleb;
  static const fuzzing::Scratch scratch;
  std::string_view rest = fuzzing::text_of(data, size);
  for (const std::string_view name : {"vocab.json", "merges.txt", "tokenizer_config.json"}) {
    const size_t end = std::min(rest.find('\0'), rest.size());
    scratch.write(name, rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  std::unique_ptr<Tokenizer> tokenizer;
  if (!fuzzing::accepts([&] { tokenizer = std::make_unique<Tokenizer>(tokenizer_of_folder(scratch.folder())); })) {
    return 0;
  }
  fuzzing::accepts([&] { tokenizer->encode("The quick  \xc3\xa9\xf0\x9f\x98\x80 <s>\xff fox"); });
  return 0;
}
