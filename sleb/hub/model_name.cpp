#include "sleb/hub/model_name.h"

#include <algorithm>
#include <array>

namespace sleb {
namespace {

constexpr size_t longest_repository = 96;
constexpr size_t longest_revision = 255;

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_plain(char c) {
  return is_word_character(c) || c == '-' || c == '.';
}

bool is_name_part(std::string_view part) {
  return !part.empty() && std::ranges::all_of(part, is_plain) && is_word_character(part.front()) &&
         is_word_character(part.back());
}

// A file's ending: whoever types it means a path.
bool is_file_name(std::string_view name) {
  static constexpr std::array endings = {".gguf", ".json", ".safetensors", ".txt", ".bin", ".git"};
  return std::ranges::any_of(endings, [&](std::string_view ending) { return name.ends_with(ending); });
}

// Git's own rules for refs (git-check-ref-format) forbid more; these keep the path inside the cache.
bool is_revision(std::string_view revision) {
  return revision.size() <= longest_revision && is_inner_path(revision) && revision.front() != '-' &&
         std::ranges::all_of(revision, [](char c) { return is_plain(c) || c == '/' || c == '+'; });
}

// What follows the first `separator`, which is cut off `text` with it; nothing where there is none.
std::optional<std::string_view> cut_off(std::string_view& text, char separator) {
  const size_t at = text.find(separator);
  if (at == text.npos) return {};
  const std::string_view rest = text.substr(at + 1);
  text = text.substr(0, at);
  return rest;
}

}  // namespace

bool is_inner_path(std::string_view path) {
  if (path.empty() || path.find('\0') != path.npos || path.find('\\') != path.npos) return false;
  std::optional<std::string_view> rest = path;
  while (rest) {
    std::string_view part = *rest;
    rest = cut_off(part, '/');
    if (part.empty() || part == "." || part == "..") return false;
  }
  return true;
}

bool is_commit_hash(std::string_view text) {
  return text.size() == 40 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_repository_name(std::string_view text) {
  if (text.size() > longest_repository || text.find("--") != text.npos || text.find("..") != text.npos) return false;
  const auto name = cut_off(text, '/');
  return name && is_name_part(text) && is_name_part(*name) && !is_file_name(*name);
}

std::optional<ModelName> parse_model_name(std::string_view text) {
  ModelName name;
  std::optional<std::string_view> revision = cut_off(text, '@');
  std::optional<std::string_view> quantisation = cut_off(text, ':');
  if (revision && !quantisation) quantisation = cut_off(*revision, ':');
  if (revision) {
    if (!is_revision(*revision)) return {};
    name.revision = *revision;
  }
  const size_t slash = text.find('/');
  const size_t second = slash == text.npos ? text.npos : text.find('/', slash + 1);
  if (second != text.npos) {
    name.file = text.substr(second + 1);
    text = text.substr(0, second);
    if (!name.file.ends_with(".gguf") || !is_inner_path(name.file) || quantisation) return {};
  }
  if (!is_repository_name(text)) return {};
  name.repository = text;
  if (quantisation) {
    if (!is_name_part(*quantisation)) return {};
    name.quantisation = *quantisation;
  }
  return name;
}

}  // namespace sleb
