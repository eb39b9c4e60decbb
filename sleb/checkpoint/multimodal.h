// Models that read pictures or sound too: their language model is one of the families, and the rest of their tensors
// goes through untouched.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sleb {

struct Multimodal {
  std::string_view model_type;    // config.json's
  std::string_view architecture;  // transformers' class
  std::string_view text_type;     // model_type of the language model where its configuration says nothing
};

// The member of config.json that describes the language model.
inline constexpr const char* text_config = "text_config";

// Nothing if the type is not on the list.
const Multimodal* find_multimodal(std::string_view model_type);

// What the language model's family calls a tensor of such a file: "model.layers.0..." for
// "language_model.model.layers.0..." (transformers 4) and "model.language_model.layers.0..." (5). Nothing for the
// tensors of other parts.
std::optional<std::string> language_name(std::string_view name);

}  // namespace sleb
