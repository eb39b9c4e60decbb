#include "sleb/export/model_origin.h"

#include <fmt/ranges.h>

namespace sleb {

std::string card_front_matter(const ModelOrigin& origin, const std::vector<std::string>& datasets) {
  const std::string base = origin.base_model().empty() ? "" : fmt::format("base_model: {}\n", origin.base_model());
  const std::string list = datasets.empty() ? "" : fmt::format("datasets:\n- {}\n", fmt::join(datasets, "\n- "));
  return fmt::format(
      "---\n{}{}library_name: transformers\npipeline_tag: text-generation\ntags:\n- sleb\n- pruned\n---\n\n", base,
      list);
}

std::string card_origin(const ModelOrigin& origin) {
  if (origin.repository.empty()) return "";
  return fmt::format("Original model: {0}, commit {1}.\n\n", origin.repository, origin.commit);
}

void add_origin(OrderedJson& json, const ModelOrigin& origin) {
  if (!origin.base_model().empty()) json["base_model"] = origin.base_model();
  if (!origin.commit.empty()) json["commit"] = origin.commit;
}

}  // namespace sleb
