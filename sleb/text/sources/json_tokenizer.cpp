#include "sleb/text/sources/json_tokenizer.h"

#include <algorithm>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/json.h"
#include "sleb/text/sources/tokenizer_classes.h"
#include "sleb/text/sources/tokenizer_config.h"
#include "sleb/text/sources/tokenizer_json.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

struct FolderFiles {
  std::string label;  // of tokenizer.json
  std::string text;
  TokenizerConfig config;
};

FolderFiles read_files(const fs::path& folder) {
  const fs::path file = folder / "tokenizer.json";
  return {file.string(), read_file(file), read_tokenizer_config(folder)};
}

ChosenClass class_of(const FolderFiles& files) {
  return choose_tokenizer_class(files.config, names_byte_level(files.text));
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
void rebuild(const TokenizerClass& own, const FolderFiles& files, Json& document) {
  TokenizerConfig config = files.config;
  const JsonView file(document, files.label);
  const JsonView model = file.at("model");
  if (!model.at("vocab").is_object() || !model.raw().contains("merges")) {
    model.fail(fmt::format("tokenizer_class {:?} needs a vocabulary with merges", own.name));
  }
  if (!config.has_added_tokens_decoder) {
    for (ListedToken& token : listed_tokens(file)) config.added_tokens_by_id[token.id] = std::move(token.options);
  }
  config.add_bos = config.add_eos = false;  // transformers drops these settings where there is a tokenizer.json
  const SpecialTokenParts special = special_token_parts(config, own.defaults, 0, [](const std::string&) { return 0; });
  const ClassParts parts = own.parts(config);
  Json rebuilt = plain(bpe_json(parts.model, OrderedJson::object(), OrderedJson::array()));
  rebuilt["vocab"] = std::move(document["model"]["vocab"]);
  rebuilt["merges"] = std::move(document["model"]["merges"]);
  document["model"] = std::move(rebuilt);
  document["normalizer"] = plain(parts.normalizer);
  document["pre_tokenizer"] = plain(parts.pre_tokenizer);
  document["decoder"] = plain(parts.decoder);
  document["added_tokens"] = plain(special.added_tokens);
  if (own.own_post_processor) document["post_processor"] = nullptr;
}

Json document_of(const FolderFiles& files) {
  Json document = parse_json(files.text, files.label);
  if (!document.is_object()) bad_input("{}: expected an object", files.label);
  if (const TokenizerClass* own = class_of(files).own) {
    rebuild(*own, files, document);
  } else {
    add_tokens_beside(files, document);
  }
  return document;
}

}  // namespace

bool names_byte_level(std::string_view text) {
  return text.find("\"ByteLevel\"") != text.npos;
}

Json tokenizer_document_of_json_folder(const fs::path& folder) {
  return document_of(read_files(folder));
}

Tokenizer tokenizer_of_json_folder(const fs::path& folder) {
  const FolderFiles files = read_files(folder);
  return Tokenizer::from_document(document_of(files), files.label, files.config.split_special_tokens);
}

std::optional<std::string> warning_of_json_folder(const fs::path& folder) {
  const FolderFiles files = read_files(folder);
  if (class_of(files).is_known) return {};
  return fmt::format(
      "tokenizer_class {:?} is not known here: tokenizer.json is taken as it stands, where transformers may make parts "
      "of its own",
      files.config.tokenizer_class);
}

}  // namespace sleb
