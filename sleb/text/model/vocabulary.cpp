#include "sleb/text/model/vocabulary.h"

#include <fmt/core.h>

#include <algorithm>

namespace sleb {
namespace {

constexpr size_t longest_short_token = 1024;  // bytes

}  // namespace

Vocabulary::Vocabulary(const JsonView& object) {
  if (!object.is_object()) object.fail("expected an object");
  if (object.raw().empty()) object.fail("the vocabulary is empty");
  ids_.reserve(object.raw().size());
  for (const auto& [token, id] : object.raw().items()) {
    const bool in_range = id.is_number_integer() && id >= 0 && id <= largest_token_id;
    if (!in_range) object.fail(fmt::format("the id of {:?} is not a number from 0 to {}", token, largest_token_id));
    ids_.emplace(token, id.get<int32_t>());
  }
  std::vector<int64_t> sorted;
  sorted.reserve(ids_.size());
  for (const auto& [token, id] : ids_) sorted.push_back(id);
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) object.fail(fmt::format("two tokens have the id {}", *twice));
}

std::optional<int32_t> Vocabulary::find(std::string_view token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) return {};
  return found->second;
}

std::vector<TokenText> Vocabulary::texts() const {
  std::vector<TokenText> texts;
  texts.reserve(ids_.size());
  for (const auto& [token, id] : ids_) texts.push_back({id, token});
  return texts;
}

std::vector<std::pair<std::string_view, int32_t>> Vocabulary::short_tokens(const JsonView& place) const {
  std::vector<std::pair<std::string_view, int32_t>> tokens;
  tokens.reserve(ids_.size());
  for (const auto& [token, id] : ids_) {
    if (token.size() > longest_short_token) place.fail(fmt::format("a token of {} bytes is too long", token.size()));
    tokens.emplace_back(token, id);
  }
  return tokens;
}

std::array<int32_t, 256> byte_token_ids(const Vocabulary& vocabulary) {
  std::array<int32_t, 256> ids;
  for (size_t byte = 0; byte < ids.size(); ++byte) {
    ids[byte] = vocabulary.find(fmt::format("<0x{:02X}>", byte)).value_or(-1);
  }
  return ids;
}

}  // namespace sleb
