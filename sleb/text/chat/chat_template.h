// A model's chat template: how a conversation becomes the text that the model was trained on.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sleb/base/json.h"
#include "sleb/jinja/template.h"

namespace sleb {

struct ChatMessage {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

class ChatTemplate {
 public:
  // `special_tokens`: an object of names and contents, which the template sees as variables ("bos_token"). Throws
  // Error(bad_input), beginning with `label`, for a malformed template.
  ChatTemplate(std::string_view source, std::string label, OrderedJson special_tokens);

  // The text up to where the assistant's answer begins; it holds the special tokens. As transformers'
  // apply_chat_template with add_generation_prompt, tools and documents none. Throws Error(bad_input) for what the
  // template refuses ("roles must alternate") and what it does wrong.
  std::string prompt(std::span<const ChatMessage> messages) const;

 private:
  jinja::Template template_;
  OrderedJson special_tokens_;
};

// chat_template.jinja, else "chat_template" of tokenizer_config.json (a template, or a list of named ones, of which
// "default" counts), else that of chat_template.json. Nothing where there is none. Throws Error(bad_input).
std::optional<ChatTemplate> chat_template_of_folder(const std::filesystem::path& folder);
// Of a tokenizer_config.json alone. `label` begins error messages.
std::optional<ChatTemplate> chat_template_of_config(std::string_view tokenizer_config, const std::string& label);

}  // namespace sleb
