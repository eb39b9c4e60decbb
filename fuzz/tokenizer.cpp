// tokenizer.json, and the tokenizer that it describes at work on a short text.
#include "sleb/text/tokenizer.h"

#include <memory>
#include <vector>

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sleb;
  constexpr std::string_view text =
      "The  quick\r\n\tbrown fox's 12,345 \xc3\xa9t\x65\xcc\x81s \xed\x95\x9c\xea\xb8\x80 "
      "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0"
      "\x9f\x9a\x80 <s>\xff\xe2\x82 aaaaaaaaaaaa";
  const std::string_view file = fuzzing::text_of(data, size);
  std::unique_ptr<Tokenizer> tokenizer;
  if (!fuzzing::accepts([&] { tokenizer = std::make_unique<Tokenizer>(Tokenizer::from_json(file, "x.json")); })) {
    return 0;
  }
  fuzzing::accepts([&] { tokenizer->encode(text); });
  // A few of the file's own bytes: they spell its tokens.
  fuzzing::accepts([&] { tokenizer->encode(file.substr(file.size() / 2, 64)); });
  tokenizer->vocabulary_size();
  const std::vector<int64_t> ids = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 2, 0, 1, int64_t{1} << 40, -1};
  fuzzing::accepts([&] { tokenizer->decode(ids, false); });
  return 0;
}
