// The vocabulary embedded in a GGUF file, rebuilt as the Hugging Face files that give the same ids.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sleb {

// The metadata keys tokenizer.ggml.* and tokenizer.chat_template (ggml's docs/gguf.md, "Tokenizer").
struct GgufVocabulary {
  std::string label;                 // file name, for messages
  std::string model_name;            // general.name; empty where absent
  std::string model;                 // tokenizer.ggml.model: "gpt2", "llama", ...
  std::string pre;                   // tokenizer.ggml.pre: "smollm", "llama-bpe", ...; empty where absent
  std::vector<std::string> tokens;   // tokenizer.ggml.tokens
  std::vector<int64_t> token_types;  // tokenizer.ggml.token_type: 1 normal, 2 unknown, 3 control, 4 user-defined, ...
  std::vector<double> scores;        // tokenizer.ggml.scores; means nothing to "gpt2"
  std::vector<std::string> merges;   // tokenizer.ggml.merges
  std::optional<int64_t> bos, eos, unknown, padding;
  std::optional<int64_t> eot, eom;       // tokenizer.ggml.eot_token_id, eom_token_id: the end of a turn, of a message
  std::optional<bool> add_bos, add_eos;  // where absent, what llama.cpp does for `model` and `pre`
  std::optional<bool> add_space_prefix;  // means nothing to "gpt2"
  // Mean something to "t5" only, as in llama.cpp.
  std::optional<bool> remove_extra_whitespaces;
  std::string precompiled_charsmap;  // bytes
  std::optional<std::string> chat_template;
};

// Contents of the two files. Throws Error(bad_input) for a model or pre-tokenizer name that is not known, by its name,
// for ids outside the vocabulary, merges that name no token, and scores that are missing or no numbers.
struct TokenizerFiles {
  std::string tokenizer_json;
  std::string tokenizer_config_json;  // bos_token, eos_token, chat_template, ...: what AutoTokenizer reads besides
};
TokenizerFiles tokenizer_files(const GgufVocabulary& vocabulary);

}  // namespace sleb
