#include "sleb/text/pipeline/added_tokens.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"
#include "sleb/unicode/characters.h"

namespace sleb {
namespace {

// Finding tokens takes time proportional to the text and the longest token.
constexpr size_t longest_content = 4096;

bool inside_word(std::string_view before, std::string_view after) {
  return (!before.empty() && is_word(last_character(before))) || (!after.empty() && is_word(first_character(after)));
}

size_t blanks_at_end(std::string_view text) {
  size_t start = text.size();
  while (start > 0) {
    size_t previous = start - 1;
    while ((static_cast<uint8_t>(text[previous]) & 0xC0) == 0x80) --previous;
    if (!is_blank(first_character(text.substr(previous)))) break;
    start = previous;
  }
  return text.size() - start;
}

size_t blanks_at_start(std::string_view text) {
  size_t end = 0;
  while (end < text.size() && is_blank(first_character(text.substr(end)))) end += character_size(text[end]);
  return end;
}

AddedToken read_token(const JsonView& entry) {
  AddedToken token = {.content = entry.at("content").string(),
                      .id = entry.at("id").integer(0, largest_token_id),
                      .special = entry.at("special").boolean(),
                      .single_word = entry.at("single_word").boolean(),
                      .lstrip = entry.at("lstrip").boolean(),
                      .rstrip = entry.at("rstrip").boolean(),
                      .normalized = entry.at("normalized").boolean()};
  if (token.content.size() > longest_content) {
    entry.fail(fmt::format("a token of {} bytes is too long", token.content.size()));
  }
  return token;
}

}  // namespace

int32_t TokenFinder::child(int32_t node, char byte) const {
  const auto found = children_.find(static_cast<uint64_t>(node) << 8 | static_cast<uint8_t>(byte));
  return found == children_.end() ? none : found->second;
}

void TokenFinder::add(std::string_view spelling, AddedToken token) {
  const auto new_node = [this] {
    token_at_node_.push_back(none);
    return static_cast<int32_t>(token_at_node_.size() - 1);
  };
  int32_t& first = root_[static_cast<uint8_t>(spelling[0])];
  if (first == none) first = new_node();
  int32_t node = first;
  for (const char byte : spelling.substr(1)) {
    const auto key = static_cast<uint64_t>(node) << 8 | static_cast<uint8_t>(byte);
    const auto found = children_.find(key);
    node = found == children_.end() ? children_.emplace(key, new_node()).first->second : found->second;
  }
  if (token_at_node_[static_cast<size_t>(node)] != none) return;
  token_at_node_[static_cast<size_t>(node)] = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(std::move(token));
}

TokenFinder::Match TokenFinder::find(std::string_view text, size_t from) const {
  for (size_t begin = from; begin < text.size(); ++begin) {
    Match longest = {begin, begin, none};
    int32_t node = root_[static_cast<uint8_t>(text[begin])];
    for (size_t end = begin + 1; node != none; node = child(node, text[end]), ++end) {
      const int32_t token = token_at_node_[static_cast<size_t>(node)];
      if (token != none) longest = {begin, end, token};
      if (end == text.size()) break;
    }
    if (longest.token != none) return longest;
  }
  return {text.size(), text.size(), none};
}

// As tokenizers' AddedVocabulary::find_matches: the search goes on behind the token itself, not behind the blanks that
// its rstrip took; a token among these blanks is dropped if it takes the blanks before it; and a token that must be a
// single word but is not, or a special one where those are read as text, still hides the tokens inside it.
void TokenFinder::cut(std::string_view text, const SpanHandler& on_text, const TokenHandler& on_token) const {
  size_t done = 0;              // the text before is handed out
  size_t known_blanks_end = 0;  // end of the blanks last taken by rstrip: the same run is not measured twice
  for (Match match = tokens_.empty() ? Match{0, 0, none} : find(text, 0); match.token != none;
       match = find(text, match.end)) {
    const AddedToken& token = tokens_[static_cast<size_t>(match.token)];
    if (token.single_word && inside_word(text.substr(0, match.begin), text.substr(match.end))) continue;
    if (token.special && hides_special_) continue;
    size_t begin = match.begin;
    size_t end = match.end;
    if (token.lstrip) {
      begin = std::max(begin, done);
      begin -= blanks_at_end(text.substr(done, begin - done));
    }
    if (token.rstrip) {
      if (end >= known_blanks_end) known_blanks_end = end + blanks_at_start(text.substr(end));
      end = known_blanks_end;
    }
    if (done < begin) on_text({done, begin});
    if (begin < end) on_token(token.id);
    done = end;
  }
  if (done != text.size()) on_text({done, text.size()});
}

AddedTokens::AddedTokens(const JsonView& list, const TokenModel& model, const Normalizers& normalizers,
                         bool split_special) {
  std::vector<AddedToken> tokens;
  std::unordered_map<std::string, size_t> places;
  int64_t next_id = model.token_count();
  for (size_t i = 0; i < list.size(); ++i) {
    AddedToken token = read_token(list.at(i));
    if (token.content.empty()) continue;  // as the library does: nothing can be found
    const auto [place, is_new] = places.emplace(token.content, tokens.size());
    if (is_new) {
      token.id = model.id_of(token.content).value_or(next_id);
      next_id = std::max(next_id, token.id + 1);
      tokens.push_back(std::move(token));
    } else {  // the last one's options count
      token.id = tokens[place->second].id;
      tokens[place->second] = std::move(token);
    }
  }
  for (const AddedToken& token : tokens) known_.push_back({token.id, token.content, token.special});
  raw_.hide_special(split_special);
  normalized_.hide_special(split_special);
  std::stable_partition(tokens.begin(), tokens.end(), [](const AddedToken& token) { return token.special; });
  for (AddedToken& token : tokens) {
    Section spelled{.text = token.content};
    if (token.normalized) normalizers.apply(spelled);
    const std::string spelling = std::move(spelled.text);
    if (spelling.empty()) list.fail(fmt::format("nothing is left of {:?} once normalized", token.content));
    (token.normalized ? normalized_ : raw_).add(spelling, std::move(token));
  }
}

void AddedTokens::cut(std::string_view text, const Normalizers& normalizers, const SectionHandler& on_text,
                      const TokenHandler& on_token) const {
  const auto cut_normalized = [&](Span raw) {
    Section section{.text = std::string(text.substr(raw.begin, raw.end - raw.begin)),
                    .from_first = raw.begin == 0 ? character_size(text[0]) : 0};
    normalizers.apply(section);
    const auto hand_out = [&](Span span) {
      if (span.begin == 0 && span.end == section.text.size()) {
        on_text(std::move(section));
      } else {
        on_text({section.text.substr(span.begin, span.end - span.begin),
                 std::max(section.from_first, span.begin) - span.begin});
      }
    };
    normalized_.cut(section.text, hand_out, on_token);
  };
  raw_.cut(text, cut_normalized, on_token);
}

}  // namespace sleb
