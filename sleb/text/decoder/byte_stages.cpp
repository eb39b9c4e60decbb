#include "sleb/text/decoder/byte_stages.h"

#include <charconv>
#include <optional>

#include "sleb/base/utf8.h"
#include "sleb/text/decoder/whole_token_stage.h"
#include "sleb/text/sources/tokenizer_json.h"
#include "sleb/unicode/byte_characters.h"
#include "sleb/unicode/replace.h"

namespace sleb {
namespace {

class ByteLevelStage : public WholeTokenStage {
 public:
  using WholeTokenStage::WholeTokenStage;

  void finish() override {
    next_.token(replace_invalid_utf8(bytes_));
    next_.finish();
  }

 private:
  void token(std::string whole) override {
    bytes_ += bytes_of_characters(whole).value_or(std::move(whole));
    const std::string_view complete = std::string_view(bytes_).substr(0, bytes_.size() - incomplete_character(bytes_));
    next_.text(replace_invalid_utf8(complete));
    bytes_.erase(0, complete.size());
  }

  std::string bytes_;  // that may become a character with those of later tokens
};

// Of "<0xNN>".
std::optional<char> byte_of(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || !token.ends_with('>')) return {};
  std::string_view digits = token.substr(3, 2);
  if (digits[0] == '+') digits.remove_prefix(1);  // Rust's from_str_radix takes it
  uint8_t byte = 0;
  const auto end = digits.data() + digits.size();
  if (std::from_chars(digits.data(), end, byte, 16).ptr != end) return {};
  return static_cast<char>(byte);
}

class ByteFallbackStage : public WholeTokenStage {
 public:
  using WholeTokenStage::WholeTokenStage;

  void finish() override {
    end_run();
    next_.finish();
  }

 private:
  void token(std::string whole) override {
    if (const auto byte = byte_of(whole)) {
      run_ += *byte;
      return;
    }
    end_run();
    next_.token(whole);
  }

  void end_run() {
    if (run_.empty()) return;
    if (is_valid_utf8(run_)) {
      next_.token(run_);
    } else {
      for (size_t i = 0; i < run_.size(); ++i) next_.token(replacement_character);
    }
    run_.clear();
  }

  std::string run_;
};

class SentencePieceStage : public WholeTokenStage {
 public:
  SentencePieceStage(Downstream next, const SentencePieceOptions& options) : WholeTokenStage(next), options_(options) {}

  void finish() override {
    end_run();
    next_.end_token();
    next_.finish();
  }

 private:
  void token(std::string whole) override {
    if (const auto byte = byte_of(whole)) {
      run_ += *byte;
      pass_on_characters();
      return;
    }
    end_run();
    if (first_blank_gone_) at_start_ = false;
    first_blank_gone_ = false;
    std::string_view piece = whole;
    if (at_start_ && options_.strip_first_blank && piece.starts_with(blank_symbol)) {
      piece.remove_prefix(std::string_view(blank_symbol).size());
      first_blank_gone_ = !options_.remove_extra_whitespaces;
    }
    give(replace_all(piece, blank_symbol, " "));
  }

  void give(std::string_view text) {
    if (!text.empty()) at_start_ = false;
    next_.text(text);
  }

  // As far as later bytes can't change them.
  void pass_on_characters() {
    while (run_.size() > incomplete_character(run_)) pass_on_one();
  }

  void pass_on_one() {
    const size_t size = utf8_character(run_);
    give(size == 0 ? replacement_character : std::string_view(run_).substr(0, size));
    run_.erase(0, size == 0 ? 1 : size);
  }

  void end_run() {
    while (!run_.empty()) pass_on_one();
  }

  const SentencePieceOptions options_;
  std::string run_;  // of bytes
  bool at_start_ = true;
  bool first_blank_gone_ = false;
};

}  // namespace

MakeStage byte_level_stage(const JsonView&) {
  return [](Downstream next) { return std::make_unique<ByteLevelStage>(next); };
}

MakeStage byte_fallback_stage(const JsonView&) {
  return [](Downstream next) { return std::make_unique<ByteFallbackStage>(next); };
}

MakeStage sentencepiece_stage(const SentencePieceOptions& options) {
  return [options](Downstream next) { return std::make_unique<SentencePieceStage>(next, options); };
}

}  // namespace sleb
