#include "sleb/text/tokenizer.h"

#include <fmt/core.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <unordered_set>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/json.h"
#include "sleb/base/utf8.h"
#include "sleb/text/model/token_model.h"
#include "sleb/text/normalizer/normalizer.h"
#include "sleb/text/pipeline/added_tokens.h"
#include "sleb/text/pipeline/post_processor.h"
#include "sleb/text/pre_tokenizer/pre_tokenizer.h"

namespace sleb {

// The steps, in the order in which text goes through them (tokenizers, "The tokenization pipeline").
struct Tokenizer::Pipeline {
  // `own_model`: in place of the file's.
  Pipeline(const JsonView& file, std::unique_ptr<TokenModel> own_model, bool split_special_tokens);

  void encode_text(std::string_view text, std::vector<int64_t>& ids) const;

  Normalizers normalizers;
  std::unique_ptr<TokenModel> model;
  AddedTokens added_tokens;
  PreTokenizers pre_tokenizers;
  PostProcessors post_processors;

  // A decoder that is not known is an error only where it is asked for.
  const TokenDecoder& known_decoder() const;
  const TokenTexts& texts() const;

 private:
  std::optional<TokenDecoder> decoder_;
  std::optional<Error> decoder_error_;
  mutable std::once_flag texts_made_;
  mutable TokenTexts texts_;

  void read_decoder(const JsonView& file);
};

Tokenizer::Pipeline::Pipeline(const JsonView& file, std::unique_ptr<TokenModel> own_model, bool split_special_tokens) {
  const std::string version = file.string_or("version", "1.0");
  if (version != "1.0") file.at("version").fail(fmt::format("the version {:?} is not supported", version));
  if (const auto part = file.find("normalizer")) normalizers = Normalizers(*part);
  model = own_model ? std::move(own_model) : make_token_model(file.at("model"));
  if (const auto part = file.find("added_tokens"))
    added_tokens = AddedTokens(*part, *model, normalizers, split_special_tokens);
  if (const auto part = file.find("pre_tokenizer")) pre_tokenizers = PreTokenizers(*part);
  if (const auto part = file.find("post_processor")) post_processors = PostProcessors(*part);
  read_decoder(file);
}

void Tokenizer::Pipeline::read_decoder(const JsonView& file) {
  const auto part = file.find("decoder");
  decoder_ = model->decoder();
  if (decoder_) return;
  try {
    decoder_ = part ? TokenDecoder(*part) : TokenDecoder();
  } catch (const Error& error) {
    decoder_error_ = error;
  }
}

const TokenDecoder& Tokenizer::Pipeline::known_decoder() const {
  if (decoder_error_) throw *decoder_error_;
  return *decoder_;
}

// Made when first asked for: encoding does without.
const TokenTexts& Tokenizer::Pipeline::texts() const {
  std::call_once(texts_made_, [this] {
    for (const auto& [id, text] : model->tokens()) texts_.text.emplace(id, text);
    std::unordered_set<std::string_view> special;
    for (const AddedTokens::Known& token : added_tokens.known()) {
      texts_.text.insert_or_assign(token.id, token.content);
      if (token.special) special.insert(token.content);
    }
    for (const auto& [id, text] : texts_.text) {
      if (special.contains(text)) texts_.special.insert(id);
    }
  });
  return texts_;
}

void Tokenizer::Pipeline::encode_text(std::string_view text, std::vector<int64_t>& ids) const {
  const auto on_text = [&](Section section) {
    Pieces pieces(std::move(section.text), section.from_first);
    pre_tokenizers.apply(pieces);
    model->encode(pieces, ids);
  };
  added_tokens.cut(text, normalizers, on_text, [&](int64_t id) { ids.push_back(id); });
}

Tokenizer::Tokenizer(std::unique_ptr<Pipeline> pipeline) : pipeline_(std::move(pipeline)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::from_json(std::string_view text, std::string_view label) {
  return from_json(text, label, nullptr);
}

Tokenizer Tokenizer::from_json(std::string_view text, std::string_view label, std::unique_ptr<TokenModel> model,
                               bool split_special_tokens) {
  const Json document = parse_json(text, label);
  return Tokenizer(
      std::make_unique<Pipeline>(JsonView(document, std::string(label)), std::move(model), split_special_tokens));
}

Tokenizer Tokenizer::from_document(const Json& document, std::string_view label, bool split_special_tokens) {
  return Tokenizer(std::make_unique<Pipeline>(JsonView(document, std::string(label)), nullptr, split_special_tokens));
}

Tokenizer Tokenizer::from_file(const std::filesystem::path& tokenizer_json) {
  return from_json(read_file(tokenizer_json), tokenizer_json.string());
}

std::vector<int64_t> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  std::vector<int64_t> ids;
  if (is_valid_utf8(text)) {
    pipeline_->encode_text(text, ids);
  } else {
    pipeline_->encode_text(replace_invalid_utf8(text), ids);
  }
  return pipeline_->post_processors.apply(std::move(ids), add_special_tokens);
}

TextStream Tokenizer::stream(bool skip_special_tokens) const {
  return {pipeline_->texts(), pipeline_->known_decoder(), skip_special_tokens};
}

std::string Tokenizer::decode(std::span<const int64_t> ids, bool skip_special_tokens) const {
  TextStream stream = this->stream(skip_special_tokens);
  std::string text;
  for (const int64_t id : ids) text += stream.add(id);
  return text += stream.finish();
}

Tokenizer::AroundText Tokenizer::around_text() const {
  constexpr int64_t text = -1;  // in the place of its ids, which post-processors don't look at
  const std::vector<int64_t> ids = pipeline_->post_processors.apply({text}, true);
  const auto place = std::ranges::find(ids, text);
  return {{ids.begin(), place}, {std::min(place + 1, ids.end()), ids.end()}};
}

bool Tokenizer::is_ordinary(int64_t id) const {
  const auto is_added = [id](const AddedTokens::Known& token) { return token.id == id; };
  if (std::ranges::any_of(pipeline_->added_tokens.known(), is_added)) return false;
  const std::vector<int64_t> alone = {id};
  return encode(decode(alone, /*skip_special_tokens=*/true), /*add_special_tokens=*/false) == alone;
}

int64_t Tokenizer::vocabulary_size() const {
  std::vector<int64_t> ids;
  for (const TokenText& token : pipeline_->model->tokens()) ids.push_back(token.id);
  for (const AddedTokens::Known& token : pipeline_->added_tokens.known()) ids.push_back(token.id);
  std::sort(ids.begin(), ids.end());
  return std::unique(ids.begin(), ids.end()) - ids.begin();
}

std::string_view Tokenizer::model_type() const {
  return pipeline_->model->type();
}

}  // namespace sleb
