// Regular expressions as the tokenizers library runs them: Oniguruma, UTF-8, its own syntax.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct re_pattern_buffer;

namespace sleb {

// Bytes [begin, end) of a text.
struct Span {
  size_t begin;
  size_t end;

  bool empty() const { return begin == end; }
  bool operator==(const Span&) const = default;
};

// Whose patterns: the two differ in what ^, $ and \h mean.
enum class RegexSyntax { oniguruma, python };

// Thread-safe once built.
class Regex {
 public:
  // `place` begins error messages. Throws Error(bad_input) for a pattern that is malformed or too long.
  Regex(std::string_view pattern, std::string place, RegexSyntax syntax = RegexSyntax::oniguruma);
  ~Regex();
  Regex(Regex&&) noexcept;

  // Appends all matches in `text` (valid UTF-8) from left to right, not overlapping, to `matches`. An empty match
  // counts unless it touches the match before it. Characters of Unicode 15 and 16 match as older ones of their kind
  // do, whatever Oniguruma's tables (versions.h). Throws Error(bad_input) when a match takes more backtracking than is
  // allowed: the pattern comes from an untrusted file.
  void find_all(std::string_view text, std::vector<Span>& matches) const;

  // The number of groups in parentheses.
  size_t groups() const;
  // As find_all; each match is followed by the places of its groups: [matches * (1 + groups())]. A group that took no
  // part is an empty place.
  void find_all_with_groups(std::string_view text, std::vector<Span>& places) const;

 private:
  template <typename Take>
  void for_each_match(std::string_view text, Take take) const;

  struct Free {
    void operator()(re_pattern_buffer* regex) const;
  };
  std::unique_ptr<re_pattern_buffer, Free> regex_;
  std::string place_;
};

}  // namespace sleb
