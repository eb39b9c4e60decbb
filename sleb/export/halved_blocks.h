// A LLaMA some of whose blocks have lost one half, as a Hugging Face folder: model_type nemotron-nas, DeciLM's
// block_configs. The keys are those that vLLM's nemotron_nas.py reads, and SGLang, mlx-lm, TensorRT-LLM and ExLlama;
// transformers runs the Python code that goes along.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/checkpoint/model_spec.h"
#include "sleb/engine/plans/removal_list.h"

namespace sleb {

// What of the model the format has no word for; "": nothing.
std::string inexpressible_with_halves(const ModelSpec& spec);

// config.json without the removed units. `config`: that of the model without the removed blocks.
OrderedJson config_with_halves(const OrderedJson& config, const ModelSpec& spec, const RemovalList& list);

// What users of such a folder should know, a line each.
std::vector<std::string> notes_on_halves(const ModelSpec& spec, const RemovalList& list);

// configuration_decilm.py and modeling_decilm.py, which config.json names.
void write_code_for_halves(const std::filesystem::path& folder);

}  // namespace sleb
