#include "sleb/eval/tasks/prefix_token.h"

#include <map>

#include "sleb/checkpoint/formats/gguf.h"
#include "sleb/checkpoint/gguf_model.h"
#include "sleb/checkpoint/model_location.h"
#include "sleb/text/gguf_vocabulary.h"
#include "sleb/text/sources/folder_tokenizer.h"

namespace sleb {
namespace {

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
  std::map<std::string, std::string> tokens = special_tokens_of_folder(model);
  return {tokens["bos_token"], tokens["eos_token"]};
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
