#include "sleb/text/gguf_end_of_text.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "sleb/base/error.h"

namespace sleb {
namespace {

// llama.cpp, src/llama-vocab.cpp: ends of a text (special_eog_ids). Left out are the marks of code completion (padding,
// repository and file names), which llama.cpp counts among them.
constexpr std::string_view ends_by_text[] = {"<|eot_id|>",
                                             "<|im_end|>",
                                             "<|end|>",
                                             "<|return|>",
                                             "<|call|>",
                                             "<|flush|>",
                                             "<|calls|>",
                                             "<end_of_turn>",
                                             "<|endoftext|>",
                                             "</s>",
                                             "<|eom_id|>",
                                             "<EOT>",
                                             "_<EOT>",
                                             "[EOT]",
                                             "[EOS]",
                                             "<|end_of_text|>",
                                             "<end_of_utterance>",
                                             "<eos>",
                                             "<turn|>",
                                             "<|tool_response>"};

// In vocabularies with tool calls these are ordinary marks, which end no text.
void leave_out_marks(std::set<std::string_view>& found) {
  const bool calls = found.contains("<|call|>") || found.contains("<|calls|>");
  if (calls && (found.contains("<|return|>") || found.contains("<|flush|>"))) found.erase("<|end|>");
  if (found.contains("<|tool_response>")) found.erase("</s>");
}

}  // namespace

std::vector<int64_t> end_of_text_ids(const GgufVocabulary& vocabulary) {
  std::vector<int64_t> ids;
  const auto add = [&](int64_t id) {
    if (std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
  };
  const auto size = static_cast<int64_t>(vocabulary.tokens.size());
  for (const auto& [name, id] : {std::pair{"eos", vocabulary.eos}, {"eot", vocabulary.eot}, {"eom", vocabulary.eom}}) {
    if (!id) continue;
    if (size > 0 && (*id < 0 || *id >= size)) {
      bad_input("{}: tokenizer.ggml.{}_token_id {} is outside the vocabulary of {} tokens", vocabulary.label, name, *id,
                size);
    }
    add(*id);
  }
  std::set<std::string_view> found;
  for (const std::string& token : vocabulary.tokens) {
    if (std::ranges::find(ends_by_text, token) != std::end(ends_by_text)) found.insert(token);
  }
  leave_out_marks(found);
  for (int64_t id = 0; id < size; ++id) {
    if (found.contains(vocabulary.tokens[static_cast<size_t>(id)])) add(id);
  }
  return ids;
}

}  // namespace sleb
