#include "sleb/text/sources/sentencepiece_tokenizer.h"

#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/text/sentencepiece/sentencepiece_model.h"
#include "sleb/text/sources/tokenizer_classes.h"
#include "sleb/text/sources/tokenizer_config.h"
#include "sleb/text/sources/tokenizer_json.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

const TokenizerClass* class_of(const TokenizerConfig& config) {
  const TokenizerClass* own = find_tokenizer_class(config.tokenizer_class);
  if (config.tokenizer_class.empty()) own = choose_tokenizer_class(config, false).own;
  return own && own->files == VocabularyFiles::sentencepiece ? own : nullptr;
}

// transformers, SentencePieceExtractor: control and user-defined pieces are looked for in the text.
TokenizerClassDefaults class_defaults(const TokenizerClass& own, const SentencePieceFile& file) {
  TokenizerClassDefaults defaults = own.defaults;
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

// A class that InternLM2's folders bring as code of their own (tokenization_internlm2.py).
constexpr std::string_view internlm2 = "InternLM2Tokenizer";

TokenizerClassDefaults internlm2_defaults() {
  return {.roles = {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "</s>"}},
          .extra = {},
          .add_bos = true};
}

// Pieces that hold a place have their names in added_tokens_decoder alone (transformers,
// TokenizersBackend._convert_from_sentencepiece).
void name_placeholders(const TokenizerConfig& config, SentencePieceFile& file) {
  StringMap<int32_t> ids = piece_ids(file);
  for (const auto& [id, token] : config.added_tokens_by_id) {
    if (static_cast<size_t>(id) >= file.pieces.size()) continue;
    SentencePiece& piece = file.pieces[static_cast<size_t>(id)];
    if (piece.type == PieceType::byte || piece.type == PieceType::unknown) continue;
    if (!ids.emplace(token.content, id).second) continue;
    piece = {.text = token.content, .type = PieceType::control};
  }
}

Tokenizer class_tokenizer(const TokenizerClass& own, const SentencePieceFile& file, const TokenizerConfig& config,
                          const std::string& label) {
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
      special_token_parts(config, class_defaults(own, file), static_cast<int64_t>(count),
                          [&](const std::string& token) -> std::optional<int64_t> { return id_of(token); });
  ClassParts parts = own.parts(config);
  const std::string text = tokenizer_json(
      {.added_tokens = std::move(special.added_tokens),
       .normalizer = std::move(parts.normalizer),
       .pre_tokenizer = std::move(parts.pre_tokenizer),
       .post_processor = std::move(special.post_processor),
       .decoder = std::move(parts.decoder),
       .model = bpe_json(parts.model, vocabulary_json(vocabulary), merges_by_score(pieces, scores, id_of))});
  return Tokenizer::from_json(text, label, nullptr, config.split_special_tokens);
}

}  // namespace

Tokenizer tokenizer_of_sentencepiece_folder(const fs::path& folder) {
  const TokenizerConfig config = read_tokenizer_config(folder);
  const std::string label = (folder / "tokenizer.model").string();
  const TokenizerClass* own = class_of(config);
  const bool is_internlm2 = config.tokenizer_class == internlm2;
  if (!own && !is_internlm2 && !is_generic_tokenizer_class(config.tokenizer_class)) {
    bad_input("{}: tokenizer_class {:?} is not supported for tokenizer.model; save it as tokenizer.json", config.label,
              config.tokenizer_class);
  }
  SentencePieceFile file = read_sentencepiece(read_file(label), label);
  if (own && file.algorithm == PieceAlgorithm::bpe) return class_tokenizer(*own, file, config, label);
  const TokenizerClassDefaults defaults = own            ? class_defaults(*own, file)
                                          : is_internlm2 ? internlm2_defaults()
                                                         : file_defaults(file, config);
  name_placeholders(config, file);
  auto model = std::make_unique<SentencePieceModel>(std::move(file));
  SpecialTokenParts special = special_token_parts(config, defaults, model->token_count(),
                                                  [&](const std::string& token) { return model->id_of(token); });
  TokenizerParts parts;
  parts.added_tokens = std::move(special.added_tokens);
  parts.post_processor = std::move(special.post_processor);
  return Tokenizer::from_json(tokenizer_json(std::move(parts)), label, std::move(model), config.split_special_tokens);
}

}  // namespace sleb
