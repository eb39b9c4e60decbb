// The name of a repository on the Hugging Face hub, of a model or a data set.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sleb {

enum class RepositoryKind { model, dataset };

struct RepositoryName {
  std::string name;  // "org/name"; of old data sets also "name" alone
  RepositoryKind kind = RepositoryKind::model;
  std::string revision = "main";  // a branch, a tag or a commit's hash
};

// The branch of a data set on which the hub keeps Parquet files that it has made of it (docs/dataset-viewer, parquet).
inline constexpr const char* converted_revision = "refs/convert/parquet";

// "model" or "data set".
std::string_view word_for(RepositoryKind kind);

// "org/name", as a model card's base_model wants it: by the hub's rules (huggingface_hub, validate_repo_id), and not a
// file's name by its ending.
bool is_repository_name(std::string_view text);

// A branch, tag or commit that keeps a path made of it inside the cache.
bool is_revision(std::string_view text);

// 40 hexadecimal digits.
bool is_commit_hash(std::string_view text);

// Whether a path stays inside the folder that it is relative to, and is one: "a/b.gguf", but not "../b", "/b", "a//b".
bool is_inner_path(std::string_view path);

// What follows the first `separator`, which is cut off `text` with it; nothing where there is none.
std::optional<std::string_view> cut_off(std::string_view& text, char separator);

// Letters, digits, "-", "_" and ".", with a letter, a digit or "_" at both ends.
bool is_name_part(std::string_view text);

}  // namespace sleb
