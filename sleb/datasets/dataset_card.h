// What the card of a data set, the YAML in front of its README.md, says of its configurations.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sleb {

struct SplitPatterns {
  std::string split;
  std::vector<std::string> patterns;
};

struct DatasetConfig {
  std::string name = "default";
  std::string data_dir = {};                                // patterns are relative to it; "": the repository
  std::optional<std::vector<SplitPatterns>> patterns = {};  // nothing: files are told by their names
  bool is_default = false;
  std::vector<std::string> options = {};  // that may change rows: "sep", "filters", ...
};

// The configurations that README.md and .huggingface.yaml, which goes first, name; none where they name none. Either
// may be "". Throws Error(bad_input), beginning with `label`, for malformed YAML, and members of another form than
// datasets takes (utils/metadata.py).
std::vector<DatasetConfig> configs_of(std::string_view readme, std::string_view yaml, const std::string& label);

// Split names: letters, digits and "_", in parts between dots.
bool is_split_name(std::string_view text);

}  // namespace sleb
