#include "sleb/eval/tasks/prefix_token.h"

#include <algorithm>

#include "sleb/checkpoint/formats/gguf.h"
#include "sleb/checkpoint/gguf_model.h"
#include "sleb/checkpoint/model_location.h"
#include "sleb/text/gguf_vocabulary.h"
#include "sleb/text/sources/tokenizer_config.h"

namespace sleb {
namespace {

// What the classes of transformers 5 say where a folder's files are silent (models/*/tokenization_*.py).
struct ClassDefaults {
  std::string_view tokenizer_class;
  std::string_view model_type;  // config.json's, where no file names a class
  std::string_view bos, eos;
};
constexpr ClassDefaults class_defaults[] = {
    {"LlamaTokenizer", "llama", "<s>", "</s>"},
    {"GPT2Tokenizer", "opt", "<|endoftext|>", "<|endoftext|>"},
    {"Qwen2Tokenizer", "qwen2", "", "<|endoftext|>"},
    {"GemmaTokenizer", "gemma", "<bos>", "<eos>"},
};

std::string role_of(const TokenizerConfig& config, std::string_view role) {
  const auto named = std::ranges::find(config.roles, role, &RoleToken::first);
  if (named != config.roles.end()) return named->second ? named->second->content : "";
  const auto* usual = std::ranges::find_if(class_defaults, [&](const ClassDefaults& defaults) {
    return config.tokenizer_class.empty() ? defaults.model_type == config.model_type
                                          : defaults.tokenizer_class == config.tokenizer_class;
  });
  if (usual == std::end(class_defaults)) return "";
  return std::string(role == "bos_token" ? usual->bos : usual->eos);
}

struct Names {
  std::string bos, eos;
};

Names names_in(const std::filesystem::path& given) {
  const auto [model, is_gguf] = locate_model(given);
  if (is_gguf) {
    const std::string label = model.string();
    const Json config = parse_json(tokenizer_files(vocabulary_of(GgufFile(model))).tokenizer_config_json, label);
    const JsonView view(config, label);
    return {view.string_or("bos_token", ""), view.string_or("eos_token", "")};
  }
  const TokenizerConfig config = read_tokenizer_config(model);
  return {role_of(config, "bos_token"), role_of(config, "eos_token")};
}

}  // namespace

std::optional<PrefixToken> prefix_token(const std::filesystem::path& model, const Tokenizer& tokenizer) {
  const Names names = names_in(model);
  for (const std::string& name : {names.bos, names.eos}) {
    if (name.empty()) continue;
    const std::vector<int64_t> ids = tokenizer.encode(name, false);
    if (ids.size() == 1) return PrefixToken{ids[0], name};
  }
  return {};
}

}  // namespace sleb
