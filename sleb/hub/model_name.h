// A model's name on the Hugging Face hub, as users type it: org/name[@revision], and for a GGUF org/name:Q4_K_M
// (llama.cpp's -hf) or org/name/file.gguf.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sleb {

struct ModelName {
  std::string repository;         // "org/name"
  std::string revision = "main";  // a branch, a tag or a commit's hash
  std::string file;               // of a GGUF inside the repository; "": none was named
  std::string quantisation;       // "Q4_K_M"; "": none was named
};

// Nothing for what can't be a name: an absolute path, one that begins with "." or "~", and all that the hub's rules for
// names forbid (huggingface_hub, validate_repo_id). Whether a path of that name exists is not asked.
std::optional<ModelName> parse_model_name(std::string_view text);

// "org/name", as a model card's base_model wants it.
bool is_repository_name(std::string_view text);

// 40 hexadecimal digits.
bool is_commit_hash(std::string_view text);

// Whether a path stays inside the folder that it is relative to, and is one: "a/b.gguf", but not "../b", "/b", "a//b".
bool is_inner_path(std::string_view path);

}  // namespace sleb
