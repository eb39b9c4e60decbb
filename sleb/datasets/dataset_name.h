// A data set's name, as users type it: wikitext2, c4, or org/name[@revision][:config[:split[:field]]].
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/corpus/text_source.h"
#include "sleb/hub/repository_name.h"

namespace sleb {

enum class TextPurpose { calibrate, evaluate };

struct DatasetName {
  RepositoryName repository = {.name = {}, .kind = RepositoryKind::dataset};
  std::string config;               // "": none was named
  std::vector<std::string> splits;  // the first of them that there is
  std::string field;                // "": none was named
  std::vector<std::string> files;   // of c4, which the reference takes a part of; empty: those of the split
  std::optional<RowRules> rules;
};

// wikitext2 and c4 mean what the SLEB reference takes for them (DESIGN section 3): of Salesforce/wikitext the
// configuration wikitext-2-raw-v1, of allenai/c4 one file of the configuration en. Without a split, "train" is taken to
// calibrate; "test", or else "validation", to evaluate. Nothing for what can't be a name.
std::optional<DatasetName> parse_dataset_name(std::string_view text, TextPurpose purpose);

}  // namespace sleb
