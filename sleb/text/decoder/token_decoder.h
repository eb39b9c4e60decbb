// The "decoder" of a tokenizer.json: the texts of tokens back to text.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/json.h"

namespace sleb {

// One step of a decoder at work on one sequence of tokens: it passes on what later tokens can't change any more. A
// token's text may come in several parts, each of whole characters.
class DecoderStage {
 public:
  virtual ~DecoderStage() = default;
  virtual void text(std::string_view part) = 0;
  virtual void end_token() = 0;
  virtual void finish() = 0;  // no more tokens follow
};

// The way to the next stage. Throws Error(bad_input) when a text grows beyond all measure: what it is rewritten to
// comes from an untrusted file.
class Downstream {
 public:
  // `taken`: bytes that went into the first stage so far. `place` begins error messages.
  Downstream(DecoderStage& next, const size_t& taken, const std::string& place)
      : next_(&next), taken_(&taken), place_(&place) {}

  void text(std::string_view part);
  void token(std::string_view whole) {
    text(whole);
    end_token();
  }
  void end_token() { next_->end_token(); }
  void finish() { next_->finish(); }
  // That `more` bytes may be passed on.
  void check_room(size_t more) const;

 private:
  DecoderStage* next_;
  const size_t* taken_;
  const std::string* place_;
  size_t given_ = 0;  // bytes
};

// Makes the stage of one step for a new sequence of tokens.
using MakeStage = std::function<std::unique_ptr<DecoderStage>(Downstream next)>;

class TokenDecoder {
 public:
  // Of a file without one: the tokens with blanks between them.
  TokenDecoder();
  // Throws Error(bad_input) for a malformed component and for one that is not known, by its name.
  explicit TokenDecoder(const JsonView& component);
  TokenDecoder(MakeStage step, std::string place) : place_(std::move(place)), steps_{std::move(step)} {}

  // The stages for a sequence of tokens, the first one last; what the last stage makes goes to `out`. The decoder,
  // `out` and `taken` outlive them.
  std::vector<std::unique_ptr<DecoderStage>> start(DecoderStage& out, const size_t& taken) const;

 private:
  void append(const JsonView& component);

  std::string place_;
  std::vector<MakeStage> steps_;
};

}  // namespace sleb
