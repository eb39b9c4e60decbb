#include "sleb/hub/repository_name.h"

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

// A file's ending: whoever types it means a path.
bool is_file_name(std::string_view name) {
  static constexpr std::array endings = {".gguf", ".json",  ".safetensors", ".txt",   ".bin", ".git", ".raw",
                                         ".gz",   ".jsonl", ".parquet",     ".arrow", ".csv", ".tsv", ".npy"};
  return std::ranges::any_of(endings, [&](std::string_view ending) { return name.ends_with(ending); });
}

}  // namespace

std::string_view word_for(RepositoryKind kind) {
  return kind == RepositoryKind::model ? "model" : "data set";
}

bool is_name_part(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_plain) && is_word_character(text.front()) &&
         is_word_character(text.back());
}

std::optional<std::string_view> cut_off(std::string_view& text, char separator) {
  const size_t at = text.find(separator);
  if (at == text.npos) return {};
  const std::string_view rest = text.substr(at + 1);
  text = text.substr(0, at);
  return rest;
}

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

// Git's own rules for refs (git-check-ref-format) forbid more.
bool is_revision(std::string_view text) {
  return text.size() <= longest_revision && is_inner_path(text) && text.front() != '-' &&
         std::ranges::all_of(text, [](char c) { return is_plain(c) || c == '/' || c == '+'; });
}

bool is_repository_name(std::string_view text) {
  if (text.size() > longest_repository || text.find("--") != text.npos || text.find("..") != text.npos) return false;
  const auto name = cut_off(text, '/');
  return name && is_name_part(text) && is_name_part(*name) && !is_file_name(*name);
}

}  // namespace sleb
