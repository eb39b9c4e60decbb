// A model's name on the Hugging Face hub, as users type it: org/name[@revision], and for a GGUF org/name:Q4_K_M
// (llama.cpp's -hf) or org/name/file.gguf.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sleb/hub/repository_name.h"

namespace sleb {

struct ModelName {
  RepositoryName repository;
  std::string file;          // of a GGUF inside the repository; "": none was named
  std::string quantisation;  // "Q4_K_M"; "": none was named
};

// Nothing for what can't be a name: an absolute path, one that begins with "." or "~", and all that the hub's rules for
// names forbid (huggingface_hub, validate_repo_id). Whether a path of that name exists is not asked.
std::optional<ModelName> parse_model_name(std::string_view text);

}  // namespace sleb
