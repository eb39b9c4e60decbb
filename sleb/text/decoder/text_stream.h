// Token ids to text, piece by piece as they come.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "sleb/text/decoder/token_decoder.h"

namespace sleb {

// What the ids of a tokenizer read as before decoding.
struct TokenTexts {
  std::unordered_map<int64_t, std::string_view> text;
  std::unordered_set<int64_t> special;
};

// Gives text as soon as it is certain: whole UTF-8 that no later id changes. What all calls give, one behind the other,
// is Tokenizer::decode of all ids; an id costs no more at the end of a long text than at its beginning.
class TextStream {
 public:
  // Both outlive the stream; Tokenizer::stream makes one.
  TextStream(const TokenTexts& tokens, const TokenDecoder& decoder, bool skip_special_tokens);
  ~TextStream();
  TextStream(TextStream&&) noexcept;

  // The text that has become certain; may be empty. Ids that no token has count for nothing. Throws Error(bad_input)
  // where the file's patterns take too long, or make too much of a text.
  std::string add(int64_t id);
  // The rest, once; no ids follow.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sleb
