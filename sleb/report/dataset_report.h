// What is said of a data set that was read by name.
#pragma once

#include <optional>
#include <string>

#include "sleb/base/json.h"
#include "sleb/corpus/corpus.h"

namespace sleb {

// "source" behind "dataset" or the like: {"repository", "revision", "commit", "config", "split", "field", "files"}.
// Nothing for a file.
void add_source(OrderedJson& json, const std::optional<DatasetOrigin>& origin);

// {"dataset", "source", "segments", "seqlen", "ids_sha256", "self_text"}: one of several texts.
OrderedJson text_json(const Corpus& text);

// "c4 (allenai/c4, configuration en, split train, commit 0123...)"; of a file its name alone.
std::string in_words(const std::string& name, const std::optional<DatasetOrigin>& origin);
// The same of any text: "segments of several texts, 4 of c4 (...), 4 of text that the unpruned model wrote itself".
std::string calibration_in_words(const Corpus& text);

}  // namespace sleb
