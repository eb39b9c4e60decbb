#include "sleb/report/dataset_report.h"

#include <fmt/core.h>

namespace sleb {

void add_source(OrderedJson& json, const std::optional<DatasetOrigin>& origin) {
  if (!origin) return;
  json["source"] = {{"repository", origin->repository},
                    {"revision", origin->revision},
                    {"commit", origin->commit},
                    {"config", origin->config},
                    {"split", origin->split},
                    {"field", origin->field},
                    {"files", origin->files}};
}

std::string in_words(const std::string& name, const std::optional<DatasetOrigin>& origin) {
  if (!origin) return name;
  return fmt::format("{} ({}, configuration {}, split {}, commit {})", name, origin->repository, origin->config,
                     origin->split, origin->commit);
}

}  // namespace sleb
