#include "sleb/text/sources/folder_tokenizer.h"

#include "sleb/base/error.h"
#include "sleb/text/sources/json_tokenizer.h"
#include "sleb/text/sources/sentencepiece_tokenizer.h"
#include "sleb/text/sources/vocab_merges.h"

namespace sleb {
namespace fs = std::filesystem;

Tokenizer tokenizer_of_folder(const fs::path& folder) {
  const auto has = [&](const char* name) {
    std::error_code unknown;  // a link in a circle, say: opening it tells
    return fs::exists(folder / name, unknown) || unknown;
  };
  if (has("tokenizer.json")) return tokenizer_of_json_folder(folder);
  if (has("tokenizer.model")) return tokenizer_of_sentencepiece_folder(folder);
  if (has("vocab.json")) {
    if (!has("merges.txt")) bad_input("{}: has vocab.json, but not merges.txt, which belongs to it", folder.string());
    return tokenizer_of_vocab_and_merges(folder);
  }
  bad_input("{}: holds no tokenizer: neither tokenizer.json, tokenizer.model, nor vocab.json with merges.txt",
            folder.string());
}

}  // namespace sleb
