#include "sleb/unicode/regex.h"

#include <oniguruma.h>

#include <cstdint>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"
#include "sleb/unicode/versions.h"

namespace sleb {
namespace {

constexpr size_t longest_pattern = size_t{1} << 16;
constexpr unsigned long most_backtracks_per_match = 10'000'000;  // Oniguruma's default, and so the wheel's
constexpr unsigned long most_backtracks_per_byte = 100;          // in a search that tries one place after another
constexpr unsigned int most_stack_entries = 20'000'000;          // about 1 GB

const OnigUChar* bytes(const char* text) {
  return reinterpret_cast<const OnigUChar*>(text);
}

std::string explain(int code, OnigErrorInfo* info = nullptr) {
  OnigUChar text[ONIG_MAX_ERROR_MESSAGE_LEN];
  const int length = info ? onig_error_code_to_str(text, code, info) : onig_error_code_to_str(text, code);
  return {reinterpret_cast<const char*>(text), static_cast<size_t>(length)};
}

void initialize_once() {
  static const int code = [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    return onig_initialize(encodings, 1);
  }();
  if (code != ONIG_NORMAL) failed("Oniguruma does not start: {}", explain(code));
}

// What a search writes to. Kept per thread: a text is searched thousands of times, mostly in short pieces.
struct SearchState {
  OnigRegion* region = onig_region_new();
  OnigMatchParam* limits = onig_new_match_param();

  SearchState() {
    onig_initialize_match_param(limits);
    onig_set_retry_limit_in_match_of_match_param(limits, most_backtracks_per_match);
    onig_set_match_stack_limit_size_of_match_param(limits, most_stack_entries);
  }
  ~SearchState() {
    onig_region_free(region, 1);
    onig_free_match_param(limits);
  }
  SearchState(const SearchState&) = delete;
  SearchState& operator=(const SearchState&) = delete;
};

// `text`, or a copy in `storage` whose characters this Oniguruma is sure to know. Bytes keep their places.
std::string_view with_older_characters(std::string_view text, std::string& storage) {
  for (size_t i = 0; i < text.size(); i += character_size(text[i])) {
    if (static_cast<uint8_t>(text[i]) < 0x80) continue;
    const char32_t character = first_character(text.substr(i));
    const char32_t older = older_equivalent(character);
    if (older == character) continue;
    if (storage.empty()) storage = text;
    std::string spelled;
    append_character(spelled, older);
    storage.replace(i, spelled.size(), spelled);
  }
  return storage.empty() ? text : std::string_view(storage);
}

}  // namespace

void Regex::Free::operator()(re_pattern_buffer* regex) const {
  onig_free(regex);
}

Regex::Regex(std::string_view pattern, std::string place, RegexSyntax syntax) : place_(std::move(place)) {
  if (pattern.size() > longest_pattern) bad_input("{}: a pattern of {} bytes is too long", place_, pattern.size());
  initialize_once();
  OnigRegex regex = nullptr;
  OnigErrorInfo info = {};
  const int code =
      onig_new(&regex, bytes(pattern.data()), bytes(pattern.data() + pattern.size()), ONIG_OPTION_NONE,
               ONIG_ENCODING_UTF8, syntax == RegexSyntax::python ? ONIG_SYNTAX_PYTHON : ONIG_SYNTAX_ONIGURUMA, &info);
  if (code != ONIG_NORMAL) bad_input("{}: not a valid pattern: {}", place_, explain(code, &info));
  regex_.reset(regex);
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;

// `take` gets each match and the region with its groups.
template <typename Take>
void Regex::for_each_match(std::string_view original, Take take) const {
  thread_local SearchState state;
  std::string storage;
  const std::string_view text = with_older_characters(original, storage);
  onig_set_retry_limit_in_search_of_match_param(
      state.limits, most_backtracks_per_match + most_backtracks_per_byte * static_cast<unsigned long>(text.size()));
  const OnigUChar* begin = bytes(text.data());
  const OnigUChar* end = begin + text.size();
  size_t from = 0;
  size_t previous_end = text.size() + 1;  // none yet
  while (from <= text.size()) {
    const int code = onig_search_with_param(regex_.get(), begin, end, begin + from, end, state.region, ONIG_OPTION_NONE,
                                            state.limits);
    if (code == ONIG_MISMATCH) return;
    if (code < 0) bad_input("{}: searching a text of {} bytes: {}", place_, text.size(), explain(code));
    const Span match{static_cast<size_t>(state.region->beg[0]), static_cast<size_t>(state.region->end[0])};
    // \K inside a lookahead can put the beginning of a match behind its end, or in the match before.
    if (match.begin < from || match.end < match.begin) bad_input("{}: matches run backwards", place_);
    if (match.empty() && match.end == previous_end) {
      from += from < text.size() ? character_size(text[from]) : 1;
      continue;
    }
    take(match, *state.region);
    from = previous_end = match.end;
  }
}

void Regex::find_all(std::string_view text, std::vector<Span>& matches) const {
  for_each_match(text, [&](const Span& match, const OnigRegion&) { matches.push_back(match); });
}

size_t Regex::groups() const {
  return static_cast<size_t>(onig_number_of_captures(regex_.get()));
}

void Regex::find_all_with_groups(std::string_view text, std::vector<Span>& places) const {
  for_each_match(text, [&](const Span& match, const OnigRegion& region) {
    places.push_back(match);
    for (int group = 1; group < region.num_regs; ++group) {
      const bool took_part = region.beg[group] >= 0 && region.end[group] >= region.beg[group];
      places.push_back(took_part ? Span{static_cast<size_t>(region.beg[group]), static_cast<size_t>(region.end[group])}
                                 : Span{match.begin, match.begin});
    }
  });
}

}  // namespace sleb
