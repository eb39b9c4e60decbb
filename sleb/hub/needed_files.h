// Which files of a repository a model is made of, and which of them a snapshot lacks.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/hub/cache.h"
#include "sleb/hub/model_name.h"

namespace sleb {

enum class ModelParts {
  all,
  tokenizer,  // without the weights of a folder; a GGUF is one file
};

struct NeededFiles {
  std::string gguf;                // the file to open inside the snapshot; "": the snapshot itself is a model's folder
  std::vector<std::string> files;  // as far as they are known: shards are named by an index that must be there first
  std::string problem;             // why the repository holds no such model, and what to do; "": it does
};

// The files of the model that `name` says. Where the snapshot has no listing, what its folder holds decides.
NeededFiles needed_files(const ModelName& name, ModelParts parts, const Snapshot& snapshot);

// The small files, as patterns for `hf download --include`: what a model's folder holds beside its weights. None of
// them matches anything in a folder but chat templates.
std::vector<std::string> small_file_patterns();

// Of GGUF files those of one model: its parts "NAME-00001-of-00003.gguf" in order, or one. `quantisation` stands in the
// name between punctuation ("model.Q4_K_M.gguf", "Q4_K_M/model-q4_k_m.gguf"), in any case; where several models have
// it, the shortest name is taken; "": the only model. Empty where there is none, or, without a quantisation, several.
std::vector<std::string> choose_gguf(const std::vector<std::string>& names, std::string_view quantisation);

}  // namespace sleb
