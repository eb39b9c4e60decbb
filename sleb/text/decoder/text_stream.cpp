#include "sleb/text/decoder/text_stream.h"

#include <utility>

namespace sleb {
namespace {

class Collected : public DecoderStage {
 public:
  void text(std::string_view part) override { text_ += part; }
  void end_token() override {}
  void finish() override {}
  std::string take() { return std::exchange(text_, {}); }

 private:
  std::string text_;
};

}  // namespace

struct TextStream::State {
  const TokenTexts& tokens;
  const bool skip_special_tokens;
  size_t taken = 0;  // bytes
  Collected collected;
  std::vector<std::unique_ptr<DecoderStage>> stages;  // the first one last

  DecoderStage& first() { return stages.empty() ? collected : *stages.back(); }
};

TextStream::TextStream(const TokenTexts& tokens, const TokenDecoder& decoder, bool skip_special_tokens)
    : state_(new State{.tokens = tokens, .skip_special_tokens = skip_special_tokens, .collected = {}, .stages = {}}) {
  state_->stages = decoder.start(state_->collected, state_->taken);
}

TextStream::~TextStream() = default;
TextStream::TextStream(TextStream&&) noexcept = default;

std::string TextStream::add(int64_t id) {
  const auto token = state_->tokens.text.find(id);
  if (token == state_->tokens.text.end()) return "";
  if (state_->skip_special_tokens && state_->tokens.special.contains(id)) return "";
  state_->taken += token->second.size() + 1;
  state_->first().text(token->second);
  state_->first().end_token();
  return state_->collected.take();
}

std::string TextStream::finish() {
  state_->first().finish();
  return state_->collected.take();
}

}  // namespace sleb
