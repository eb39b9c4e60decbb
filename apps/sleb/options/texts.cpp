#include "apps/sleb/options/texts.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include "apps/sleb/options/removal_lists.h"
#include "apps/sleb/options/self_text.h"
#include "sleb/base/error.h"

namespace sleb::app {
namespace {

constexpr std::ptrdiff_t colons_of_dataset = 3;  // org/name:CONFIG:SPLIT:FIELD

bool is_there(std::string_view path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// "notes.txt" and "16384" of "notes.txt:16384"; nothing where the last part is no number of tokens.
struct Numbered {
  std::string_view text, number;
};
std::optional<Numbered> numbered(std::string_view given) {
  const size_t colon = given.rfind(':');
  if (colon == given.npos || is_there(given)) return {};
  const Numbered parts{given.substr(0, colon), given.substr(colon + 1)};
  if (parts.number.empty() || parts.number.find_first_not_of("0123456789") != parts.number.npos) return {};
  const bool whole_name = std::ranges::count(parts.text, ':') == colons_of_dataset || parts.text == "wikitext2" ||
                          parts.text == "c4" || is_there(parts.text);
  return whole_name ? std::optional(parts) : std::nullopt;
}

bool is_path(std::string_view given) {
  return is_there(given) || (numbered(given) && is_there(numbered(given)->text));
}

// The first text of "a,b.txt,c4": the longest that is a path, else what stands before the first comma.
std::string_view first_text(std::string_view texts) {
  for (size_t end = texts.size(); end != texts.npos; end = end > 0 ? texts.rfind(',', end - 1) : texts.npos) {
    if (is_path(texts.substr(0, end))) return texts.substr(0, end);
  }
  return texts.substr(0, texts.find(','));
}

}  // namespace

CLI::Option* add_texts(CLI::App& command, const std::string& option, std::vector<std::string>& texts,
                       const std::string& description) {
  const auto add = [&texts](const std::string& given) {
    for (std::string_view rest = given;;) {
      texts.emplace_back(first_text(rest));
      if (texts.back().size() == rest.size()) return;
      rest.remove_prefix(texts.back().size() + 1);
    }
  };
  return add_repeatable(command, option, description, add)->type_name("TEXT[,TEXT...]");
}

void check_names(std::string_view option, const std::vector<std::string>& texts) {
  std::set<std::filesystem::path> seen;
  for (const std::string& given : texts) {
    const std::string name = text_of(given);
    if (name.empty()) bad_input("{}: a text without a name; give names and files separated by commas", option);
    if (!seen.insert(std::filesystem::path(name).lexically_normal()).second) {
      bad_input("{} {}: the text stands twice", option, name);
    }
  }
}

std::string text_of(const std::string& given) {
  const auto parts = numbered(given);
  return parts ? std::string(parts->text) : given;
}

TextShare share_of(std::string_view option, const std::string& given, int64_t seqlen) {
  if (const auto own = self_text_corpus(option, given, {}, seqlen, {})) {
    const bool has_number = given.find(':') != given.npos;
    return {given, has_number ? std::optional(own->segments) : std::nullopt};
  }
  const auto parts = numbered(given);
  if (!parts) return {given};
  int64_t tokens = 0;
  const auto [end, error] = std::from_chars(parts->number.begin(), parts->number.end(), tokens);
  if (error != std::errc() || tokens < seqlen || tokens > most_tokens_of_text) {
    bad_input("{} {}: expected a number of tokens from {}, one segment, to {} behind the colon", option, given, seqlen,
              most_tokens_of_text);
  }
  return {std::string(parts->text), tokens / seqlen};
}

std::vector<int64_t> shared_segments(const std::vector<TextShare>& shares, const std::optional<TextTotal>& total,
                                     int64_t seqlen) {
  int64_t given = 0, sharers = 0, parts = 0;
  for (const TextShare& share : shares) {
    if (share.segments) {
      given += *share.segments;
    } else {
      ++sharers;
      parts += share.parts;
    }
  }
  if (total && sharers == 0) {
    bad_input("{}: every text has a number of its own already; leave one of them out", total->given);
  }
  int64_t left = total ? total->segments - given : sharers * ((usual_tokens + seqlen - 1) / seqlen);
  if (left < sharers) {
    bad_input("{}: the {} tokens of texts with a number of their own leave too few for the others", total->given,
              given * seqlen);
  }
  std::vector<int64_t> segments;
  for (const TextShare& share : shares) {
    if (share.segments) {
      segments.push_back(*share.segments);
      continue;
    }
    --sharers;
    segments.push_back(std::min((left * share.parts + parts - 1) / parts, left - sharers));
    left -= segments.back();
    parts -= share.parts;
  }
  return segments;
}

}  // namespace sleb::app
