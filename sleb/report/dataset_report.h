// What is said of a data set that was read by name.
#pragma once

#include <optional>
#include <string>

#include "sleb/base/json.h"
#include "sleb/corpus/text_source.h"

namespace sleb {

// "source" behind "dataset" or the like: {"repository", "revision", "commit", "config", "split", "field", "files"}.
// Nothing for a file.
void add_source(OrderedJson& json, const std::optional<DatasetOrigin>& origin);

// "c4 (allenai/c4, configuration en, split train, commit 0123...)"; of a file its name alone.
std::string in_words(const std::string& name, const std::optional<DatasetOrigin>& origin);

}  // namespace sleb
