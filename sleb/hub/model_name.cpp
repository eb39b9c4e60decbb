#include "sleb/hub/model_name.h"

namespace sleb {

std::optional<ModelName> parse_model_name(std::string_view text) {
  ModelName name;
  std::optional<std::string_view> revision = cut_off(text, '@');
  std::optional<std::string_view> quantisation = cut_off(text, ':');
  if (revision && !quantisation) quantisation = cut_off(*revision, ':');
  if (revision) {
    if (!is_revision(*revision)) return {};
    name.repository.revision = *revision;
  }
  const size_t slash = text.find('/');
  const size_t second = slash == text.npos ? text.npos : text.find('/', slash + 1);
  if (second != text.npos) {
    name.file = text.substr(second + 1);
    text = text.substr(0, second);
    if (!name.file.ends_with(".gguf") || !is_inner_path(name.file) || quantisation) return {};
  }
  if (!is_repository_name(text)) return {};
  name.repository.name = text;
  if (quantisation) {
    if (!is_name_part(*quantisation)) return {};
    name.quantisation = *quantisation;
  }
  return name;
}

}  // namespace sleb
