#include "sleb/text/gguf_tokens.h"

#include <algorithm>
#include <cctype>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"

namespace sleb {
namespace {

// llama.cpp, src/llama-vocab.cpp, "Handle per token attributes".
bool is_phi3(std::string name) {
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name.find("phi-3") != name.npos || name.find("phi3") != name.npos;
}

}  // namespace

GgufTokens::GgufTokens(const GgufVocabulary& vocabulary) : vocabulary_(vocabulary), names_(vocabulary.tokens) {
  if (names_.empty()) bad_input("{}: tokenizer.ggml.tokens is missing or empty", vocabulary.label);
  check_types();
  ids_.reserve(names_.size());
  for (size_t i = 0; i < names_.size(); ++i) {
    std::string& name = names_[i];
    if (!is_valid_utf8(name)) bad_input("{}: tokenizer.ggml.tokens[{}] is not valid UTF-8", vocabulary.label, i);
    if (name.empty()) name = fmt::format("[EMPTY_{}]", i);  // llama.cpp's name for it
    const auto [first, is_new] = ids_.emplace(name, i);
    if (!is_new) {
      bad_input("{}: tokenizer.ggml.tokens[{}] and [{}] are both {:?}", vocabulary.label, first->second, i, name);
    }
  }
}

void GgufTokens::check_types() const {
  const auto& types = vocabulary_.token_types;
  if (!types.empty() && types.size() != names_.size()) {
    bad_input("{}: tokenizer.ggml.token_type has {} elements for {} tokens", vocabulary_.label, types.size(),
              names_.size());
  }
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i] < 0 || types[i] > static_cast<int64_t>(GgufTokenType::byte)) {
      bad_input("{}: tokenizer.ggml.token_type[{}] is {}, which is no type of token", vocabulary_.label, i, types[i]);
    }
  }
}

GgufTokenType GgufTokens::type_of(size_t id) const {
  return vocabulary_.token_types.empty() ? GgufTokenType::normal
                                         : static_cast<GgufTokenType>(vocabulary_.token_types[id]);
}

std::optional<size_t> GgufTokens::id_of(std::string_view name) const {
  const auto found = ids_.find(name);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<NamedToken> GgufTokens::at(const char* key, const std::optional<int64_t>& id) const {
  if (!id) return {};
  if (*id < 0 || static_cast<uint64_t>(*id) >= names_.size()) {
    bad_input("{}: tokenizer.ggml.{} is {}, but there are {} tokens", vocabulary_.label, key, *id, names_.size());
  }
  return NamedToken{names_[static_cast<size_t>(*id)], *id};
}

OrderedJson GgufTokens::vocabulary() const {
  std::vector<std::pair<std::string, int64_t>> ids;
  ids.reserve(names_.size());
  for (size_t i = 0; i < names_.size(); ++i) ids.emplace_back(names_[i], i);
  return vocabulary_json(ids);
}

OrderedJson GgufTokens::added_tokens() const {
  OrderedJson added = OrderedJson::array();
  const bool takes_blanks = is_phi3(vocabulary_.model_name);
  for (size_t i = 0; i < names_.size(); ++i) {
    const GgufTokenType type = type_of(i);
    const bool special = type == GgufTokenType::control || type == GgufTokenType::unknown;
    if (!special && type != GgufTokenType::user_defined) continue;
    const std::string& name = names_[i];
    const bool rstrip = takes_blanks && name != "<unk>" && name != "<s>" && name != "<|endoftext|>";
    added.push_back(added_token_json({.content = name, .rstrip = rstrip, .special = special}, static_cast<int64_t>(i)));
  }
  return added;
}

}  // namespace sleb
