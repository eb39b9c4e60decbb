#include "sleb/checkpoint/multimodal.h"

#include <algorithm>
#include <iterator>

namespace sleb {
namespace {

constexpr Multimodal table[] = {
    {"gemma3", "Gemma3ForConditionalGeneration", "gemma3_text"},
    {"mistral3", "Mistral3ForConditionalGeneration", "mistral"},
};

// In the file, and in the family.
constexpr std::pair<std::string_view, std::string_view> prefixes[] = {{"language_model.model.", "model."},
                                                                      {"model.language_model.", "model."},
                                                                      {"language_model.lm_head.", "lm_head."},
                                                                      {"lm_head.", "lm_head."}};

}  // namespace

const Multimodal* find_multimodal(std::string_view model_type) {
  const auto* const found = std::ranges::find(table, model_type, &Multimodal::model_type);
  return found == std::end(table) ? nullptr : found;
}

std::optional<std::string> language_name(std::string_view name) {
  for (const auto& [in_file, in_family] : prefixes) {
    if (name.starts_with(in_file)) return std::string(in_family) + std::string(name.substr(in_file.size()));
  }
  return {};
}

}  // namespace sleb
