#include "sleb/text/sources/folder_tokenizer.h"

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/text/sentencepiece/sentencepiece_file.h"
#include "sleb/text/sources/json_tokenizer.h"
#include "sleb/text/sources/sentencepiece_tokenizer.h"
#include "sleb/text/sources/tokenizer_classes.h"
#include "sleb/text/sources/tokenizer_config.h"
#include "sleb/text/sources/vocab_merges.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

bool has(const fs::path& folder, const char* name) {
  std::error_code unknown;  // a link in a circle, say: opening it tells
  return fs::exists(folder / name, unknown) || unknown;
}

TokenizerClassDefaults defaults_of(const fs::path& folder, const TokenizerConfig& config) {
  const bool has_json = has(folder, "tokenizer.json");
  // The one class for which the file's components count is that of SentencePiece.
  const bool has_byte_level =
      has_json && config.tokenizer_class == "LlamaTokenizer" && names_byte_level(read_file(folder / "tokenizer.json"));
  if (const TokenizerClass* own = choose_tokenizer_class(config, has_byte_level).own) return own->defaults;
  if (has_json || !has(folder, "tokenizer.model")) return {};
  const std::string label = (folder / "tokenizer.model").string();
  const SentencePieceFile file = read_sentencepiece(read_file(label), label);
  return {.roles = {{"bos_token", file.bos_piece}, {"eos_token", file.eos_piece}}, .extra = {}};
}

}  // namespace

Tokenizer tokenizer_of_folder(const fs::path& folder) {
  if (has(folder, "tokenizer.json")) return tokenizer_of_json_folder(folder);
  if (has(folder, "tokenizer.model")) return tokenizer_of_sentencepiece_folder(folder);
  if (has(folder, "vocab.json")) {
    if (!has(folder, "merges.txt")) {
      bad_input("{}: has vocab.json, but not merges.txt, which belongs to it", folder.string());
    }
    return tokenizer_of_vocab_and_merges(folder);
  }
  bad_input("{}: holds no tokenizer: neither tokenizer.json, tokenizer.model, nor vocab.json with merges.txt",
            folder.string());
}

std::map<std::string, std::string> special_tokens_of_folder(const fs::path& folder) {
  const TokenizerConfig config = read_tokenizer_config(folder);
  std::map<std::string, std::string> tokens;
  for (const auto& [role, token] : all_roles(config, defaults_of(folder, config))) {
    if (token && is_standard_role(role)) tokens[role] = token->content;
  }
  return tokens;
}

}  // namespace sleb
