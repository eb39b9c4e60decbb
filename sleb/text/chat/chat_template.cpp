#include "sleb/text/chat/chat_template.h"

#include "sleb/text/chat/chat_template_text.h"

#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/text/sources/folder_tokenizer.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t largest_file = uint64_t{64} << 20;

// transformers, PreTrainedTokenizerBase.SPECIAL_TOKENS_ATTRIBUTES: what its templates see.
constexpr const char* roles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                 "pad_token", "cls_token", "mask_token"};

// Special tokens by role, as far as the file names them: a string, or an object with its content.
void read_special_tokens(const JsonView& file, OrderedJson& tokens) {
  for (const char* role : roles) {
    const auto token = file.find(role);
    if (token) tokens[role] = token->is_object() ? token->at("content").string() : token->string();
  }
}

struct Source {
  std::string text;
  std::string label;
};

// "chat_template" of a JSON file.
std::optional<Source> source_of(const JsonView& file) {
  const auto value = file.find("chat_template");
  if (!value) return {};
  const std::string place = value->place();
  if (value->is_string()) return Source{value->string(), place};
  for (size_t i = 0; i < value->size(); ++i) {
    const JsonView entry = value->at(i);
    if (entry.at("name").string() == "default") return Source{entry.at("template").string(), entry.place()};
  }
  value->fail("there are several chat templates, but none is named \"default\"");
}

std::optional<std::string> find_file(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return {};
  return read_file(path, largest_file);
}

std::optional<Source> source_in(const fs::path& folder) {
  std::optional<Source> source;
  if (auto text = find_file(folder / "chat_template.jinja")) {
    source = Source{*std::move(text), (folder / "chat_template.jinja").string()};
  }
  for (const char* name : {"tokenizer_config.json", "chat_template.json"}) {
    const std::string label = (folder / name).string();
    const auto text = source ? std::nullopt : find_file(label);
    if (text) source = source_of(JsonView(parse_json(*text, label), label));
  }
  return source;
}

std::optional<ChatTemplate> chat_template(const std::optional<Source>& source, OrderedJson special_tokens) {
  if (!source) return {};
  return ChatTemplate(source->text, source->label, std::move(special_tokens));
}

}  // namespace

ChatTemplate::ChatTemplate(std::string_view source, std::string label, OrderedJson special_tokens)
    : template_(source, std::move(label), jinja::Dialect::chat), special_tokens_(std::move(special_tokens)) {}

std::string ChatTemplate::prompt(std::span<const ChatMessage> messages) const {
  OrderedJson variables = special_tokens_;
  variables["messages"] = OrderedJson::array();
  for (const ChatMessage& message : messages) {
    variables["messages"].push_back({{"role", message.role}, {"content", message.content}});
  }
  variables["tools"] = nullptr;
  variables["documents"] = nullptr;
  variables["add_generation_prompt"] = true;
  return template_.render(variables);
}

std::optional<ChatTemplate> chat_template_of_config(std::string_view tokenizer_config, const std::string& label) {
  const Json document = parse_json(tokenizer_config, label);
  const JsonView file(document, label);
  OrderedJson tokens = OrderedJson::object();
  read_special_tokens(file, tokens);
  return chat_template(source_of(file), std::move(tokens));
}

std::optional<ChatTemplate> chat_template_of_folder(const fs::path& folder) {
  const std::optional<Source> source = source_in(folder);
  if (!source) return {};
  OrderedJson tokens = OrderedJson::object();
  for (const auto& [role, token] : special_tokens_of_folder(folder)) tokens[role] = token;
  return chat_template(source, std::move(tokens));
}

std::optional<std::string> chat_template_text_of_folder(const fs::path& folder) {
  std::optional<Source> source = source_in(folder);
  return source ? std::optional(std::move(source->text)) : std::nullopt;
}

}  // namespace sleb
