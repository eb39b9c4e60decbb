#include "sleb/text/sources/json_tokenizer.h"

#include <algorithm>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/json.h"
#include "sleb/text/sources/sentencepiece_tokenizer.h"
#include "sleb/text/sources/tokenizer_config.h"
#include "sleb/text/sources/tokenizer_json.h"
#include "sleb/text/sources/vocab_merges.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

// Which parts come from the file.
enum class BackendClass {
  file,   // all of them
  llama,  // for these three vocabulary, merges and post-processor
  gpt2,
  qwen2,
  unknown,  // all of them, but transformers has a class that may differ
};

// Names that transformers loads as its TokenizersBackend.
constexpr std::string_view generic_classes[] = {"", "PreTrainedTokenizer", "TokenizersBackend", "PythonBackend",
                                                "BloomTokenizer"};

BackendClass class_by_name(std::string_view name) {
  if (name == "LlamaTokenizer") return BackendClass::llama;
  if (name == "GPT2Tokenizer") return BackendClass::gpt2;
  if (name == "Qwen2Tokenizer") return BackendClass::qwen2;
  const bool is_generic = std::ranges::find(generic_classes, name) != std::end(generic_classes);
  return is_generic ? BackendClass::file : BackendClass::unknown;
}

// TOKENIZER_MAPPING_NAMES.
std::string_view registered_class(std::string_view model_type) {
  if (model_type == "mistral") return "TokenizersBackend";
  if (model_type == "opt" || model_type == "gpt2") return "GPT2Tokenizer";
  return model_type == "qwen2" ? "Qwen2Tokenizer" : "";
}

BackendClass backend_class(const TokenizerConfig& config, bool has_byte_level) {
  const std::string& named = config.tokenizer_class;
  const std::string_view registered = registered_class(config.model_type);
  // Of these models the name in the files is known to be wrong (MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS).
  const bool name_is_wrong = config.model_type == "qwen2";
  if (named == "LlamaTokenizer" && has_byte_level && !name_is_wrong) return BackendClass::file;
  if (named.empty()) return class_by_name(registered);
  if (registered.empty() || registered == named) return class_by_name(named);
  if (registered == "TokenizersBackend") return BackendClass::file;
  return class_by_name(name_is_wrong ? registered : std::string_view(named));
}

struct FolderFiles {
  std::string label;  // of tokenizer.json
  std::string text;
  TokenizerConfig config;
};

FolderFiles read_files(const fs::path& folder) {
  const fs::path file = folder / "tokenizer.json";
  return {file.string(), read_file(file), read_tokenizer_config(folder)};
}

BackendClass class_of(const FolderFiles& files) {
  return backend_class(files.config, files.text.find("\"ByteLevel\"") != files.text.npos);
}

struct ListedToken {
  int64_t id;
  AddedTokenOptions options;
};

std::vector<ListedToken> listed_tokens(const JsonView& file) {
  std::vector<ListedToken> tokens;
  const auto list = file.find("added_tokens");
  for (size_t i = 0; list && i < list->size(); ++i) {
    const JsonView entry = list->at(i);
    tokens.push_back({entry.at("id").integer(0, INT32_MAX),
                      {.content = entry.at("content").string(),
                       .single_word = entry.at("single_word").boolean(),
                       .lstrip = entry.at("lstrip").boolean(),
                       .rstrip = entry.at("rstrip").boolean(),
                       .normalized = entry.at("normalized").boolean(),
                       .special = entry.at("special").boolean()}});
  }
  return tokens;
}

Json plain(const OrderedJson& json) {
  return Json::parse(json.dump());
}

// The ids are the reader's to give.
void add_tokens_beside(const FolderFiles& files, Json& document) {
  std::vector<AddedTokenOptions> own;
  for (ListedToken& token : listed_tokens(JsonView(document, files.label))) own.push_back(std::move(token.options));
  for (const AddedTokenOptions& token : tokens_beside(files.config, own)) {
    document["added_tokens"].push_back(plain(added_token_json(token, 0)));
  }
}

// The class has its own special tokens, normalizer, pre-tokenizer and decoder.
void rebuild(BackendClass kind, const FolderFiles& files, Json& document) {
  TokenizerConfig config = files.config;
  const JsonView file(document, files.label);
  const JsonView model = file.at("model");
  if (!model.at("vocab").is_object() || !model.raw().contains("merges")) {
    model.fail(fmt::format("tokenizer_class {:?} needs a vocabulary with merges", config.tokenizer_class));
  }
  if (!config.has_added_tokens_decoder) {
    for (ListedToken& token : listed_tokens(file)) config.added_tokens_by_id[token.id] = std::move(token.options);
  }
  TokenizerParts parts;
  TokenizerClassDefaults defaults = {.roles = {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}},
                                     .extra = {}};
  if (kind == BackendClass::llama) {
    set_llama_parts(config, parts);
  } else {
    ByteLevelClass own = kind == BackendClass::gpt2 ? gpt2_class(config) : qwen2_class(config);
    defaults = std::move(own.defaults);
    parts.normalizer = std::move(own.normalizer);
    parts.pre_tokenizer = std::move(own.pre_tokenizer);
    parts.decoder = byte_level_json(true, true);
    parts.model = bpe_json({}, OrderedJson::object(), OrderedJson::array());
  }
  config.add_bos = config.add_eos = false;  // transformers drops these settings where there is a tokenizer.json
  const SpecialTokenParts special = special_token_parts(config, defaults, 0, [](const std::string&) { return 0; });
  Json rebuilt = plain(parts.model);
  rebuilt["vocab"] = std::move(document["model"]["vocab"]);
  rebuilt["merges"] = std::move(document["model"]["merges"]);
  document["model"] = std::move(rebuilt);
  document["normalizer"] = plain(parts.normalizer);
  document["pre_tokenizer"] = plain(parts.pre_tokenizer);
  document["decoder"] = plain(parts.decoder);
  document["added_tokens"] = plain(special.added_tokens);
}

}  // namespace

Tokenizer tokenizer_of_json_folder(const fs::path& folder) {
  const FolderFiles files = read_files(folder);
  Json document = parse_json(files.text, files.label);
  if (!document.is_object()) bad_input("{}: expected an object", files.label);
  const BackendClass kind = class_of(files);
  if (kind == BackendClass::file || kind == BackendClass::unknown) {
    add_tokens_beside(files, document);
  } else {
    rebuild(kind, files, document);
  }
  return Tokenizer::from_document(document, files.label, files.config.split_special_tokens);
}

std::optional<std::string> warning_of_json_folder(const fs::path& folder) {
  const FolderFiles files = read_files(folder);
  if (class_of(files) != BackendClass::unknown) return {};
  return fmt::format(
      "tokenizer_class {:?} is not known here: tokenizer.json is taken as it stands, where transformers may make parts "
      "of its own",
      files.config.tokenizer_class);
}

}  // namespace sleb
