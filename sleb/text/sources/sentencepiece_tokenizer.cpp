#include "sleb/text/sources/sentencepiece_tokenizer.h"

#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/text/sentencepiece/sentencepiece_model.h"
#include "sleb/text/sources/tokenizer_config.h"
#include "sleb/text/sources/tokenizer_json.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

// Names that stand for "whatever the files hold".
bool is_generic(const std::string& tokenizer_class) {
  return tokenizer_class.empty() || tokenizer_class == "PreTrainedTokenizer" || tokenizer_class == "TokenizersBackend";
}

// transformers, SentencePieceExtractor: control and user-defined pieces are looked for in the text.
TokenizerClassDefaults llama_defaults(const SentencePieceFile& file) {
  TokenizerClassDefaults defaults = {.roles = {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}},
                                     .extra = {}};
  for (const SentencePiece& piece : file.pieces) {
    const bool is_control = piece.type == PieceType::control;
    if (!is_control && piece.type != PieceType::user_defined) continue;
    defaults.extra.push_back({.content = piece.text, .special = is_control});
  }
  return defaults;
}

// The model alone reads "<s>" as any other text; files beside it make special tokens of it.
TokenizerClassDefaults file_defaults(const SentencePieceFile& file, const TokenizerConfig& config) {
  TokenizerClassDefaults defaults;
  if (!config.found) return defaults;
  for (const SentencePiece& piece : file.pieces) {
    if (piece.type != PieceType::control) continue;
    if (piece.text == file.bos_piece) defaults.roles.emplace_back("bos_token", piece.text);
    if (piece.text == file.eos_piece) defaults.roles.emplace_back("eos_token", piece.text);
  }
  return defaults;
}

// transformers 5, models/llama/tokenization_llama.py.
Tokenizer llama_tokenizer(const SentencePieceFile& file, const TokenizerConfig& config, const std::string& label) {
  const size_t count = file.pieces.size();
  std::vector<std::string> pieces;
  std::vector<double> scores;  // the class merges by order in the file, whatever the pieces' own scores
  std::vector<std::pair<std::string, int64_t>> vocabulary;
  const StringMap<int32_t> ids = piece_ids(file);
  pieces.reserve(count);
  for (size_t id = 0; id < count; ++id) {
    pieces.push_back(file.pieces[id].text);
    scores.push_back(-static_cast<double>(id));
    vocabulary.emplace_back(pieces.back(), id);
  }
  const auto id_of = [&](std::string_view piece) -> std::optional<size_t> {
    const auto found = ids.find(piece);
    return found == ids.end() ? std::nullopt : std::optional(found->second);
  };
  SpecialTokenParts special =
      special_token_parts(config, llama_defaults(file), static_cast<int64_t>(count),
                          [&](const std::string& token) -> std::optional<int64_t> { return id_of(token); });
  TokenizerParts parts;
  parts.added_tokens = std::move(special.added_tokens);
  parts.post_processor = std::move(special.post_processor);
  parts.model = {{"vocab", vocabulary_json(vocabulary)}, {"merges", merges_by_score(pieces, scores, id_of)}};
  set_llama_parts(config, parts);
  return Tokenizer::from_json(tokenizer_json(std::move(parts)), label, nullptr, config.split_special_tokens);
}

}  // namespace

void set_llama_parts(const TokenizerConfig& config, TokenizerParts& parts) {
  const bool add_prefix_space = config.add_prefix_space.value_or(true);
  const char* scheme = !add_prefix_space ? "never" : config.legacy.value_or(false) ? "always" : "first";
  parts.normalizer = nullptr;
  parts.pre_tokenizer = {
      {"type", "Metaspace"}, {"replacement", blank_symbol}, {"prepend_scheme", scheme}, {"split", false}};
  parts.decoder = piece_decoder_json(add_prefix_space);
  parts.model = bpe_json({.unknown_token = {}, .fuse_unknown = true, .byte_fallback = true, .ignore_merges = false},
                         std::move(parts.model["vocab"]), std::move(parts.model["merges"]));
}

Tokenizer tokenizer_of_sentencepiece_folder(const fs::path& folder) {
  const TokenizerConfig config = read_tokenizer_config(folder);
  const std::string label = (folder / "tokenizer.model").string();
  const bool is_llama = config.tokenizer_class == "LlamaTokenizer";
  if (!is_llama && !is_generic(config.tokenizer_class)) {
    bad_input("{}: tokenizer_class {:?} is not supported for tokenizer.model; save it as tokenizer.json", config.label,
              config.tokenizer_class);
  }
  SentencePieceFile file = read_sentencepiece(read_file(label), label);
  if (is_llama && file.algorithm == PieceAlgorithm::bpe) return llama_tokenizer(file, config, label);
  const TokenizerClassDefaults defaults = is_llama ? llama_defaults(file) : file_defaults(file, config);
  auto model = std::make_unique<SentencePieceModel>(std::move(file));
  SpecialTokenParts special = special_token_parts(config, defaults, model->token_count(),
                                                  [&](const std::string& token) { return model->id_of(token); });
  TokenizerParts parts;
  parts.added_tokens = std::move(special.added_tokens);
  parts.post_processor = std::move(special.post_processor);
  return Tokenizer::from_json(tokenizer_json(std::move(parts)), label, std::move(model), config.split_special_tokens);
}

}  // namespace sleb
