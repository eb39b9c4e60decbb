#include "sleb/report/dataset_report.h"

#include <fmt/ranges.h>

#include <vector>

#include "sleb/corpus/self_text_cache.h"

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

OrderedJson text_json(const Corpus& text) {
  OrderedJson json = {{"dataset", text.self_text ? "self" : text.name}};
  add_source(json, text.origin);
  json["segments"] = text.segments;
  json["seqlen"] = text.seqlen;
  json["ids_sha256"] = text.ids_sha256;
  if (text.self_text) json["self_text"] = to_json(*text.self_text);
  return json;
}

std::string in_words(const std::string& name, const std::optional<DatasetOrigin>& origin) {
  if (!origin) return name;
  return fmt::format("{} ({}, configuration {}, split {}, commit {})", name, origin->repository, origin->config,
                     origin->split, origin->commit);
}

std::string calibration_in_words(const Corpus& text) {
  if (text.parts.empty()) {
    return text.self_text ? "text that the unpruned model wrote itself" : in_words(text.name, text.origin);
  }
  std::vector<std::string> parts;
  for (const Corpus& part : text.parts) {
    parts.push_back(fmt::format("{} of {}", part.segments, calibration_in_words(part)));
  }
  return fmt::format("segments of several texts, {}", fmt::join(parts, ", "));
}

}  // namespace sleb
