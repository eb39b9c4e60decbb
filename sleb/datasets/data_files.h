// Which files of a repository belong to which split of a configuration, as Hugging Face datasets 5.2 decides it
// (datasets: data_files.py, load.py).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/datasets/dataset_card.h"

namespace sleb {

// Files of a repository in the order of their rows.
struct SplitFiles {
  std::string split;
  std::vector<std::string> files;
  bool by_glob = false;  // another commit might have more of them
};

// The files of `names` that a pattern means, sorted; hidden ones, folders "__x" and files such as config.json only
// where the pattern names them.
std::vector<std::string> matching_files(const std::string& pattern, const std::vector<std::string>& names);

// The splits of a configuration. Empty where there are no files of any. Throws Error(bad_input), beginning with
// `label`, for a pattern that leads out of the repository, a file that is not there, and files in a format that is not
// read here.
std::vector<SplitFiles> splits_of(const DatasetConfig& config, const std::vector<std::string>& names,
                                  const std::string& label);

// Whether the files are numbered, "-00000-of-00003", and none of them is absent.
bool is_whole_by_numbers(const std::vector<std::string>& files);

// The configurations and splits of the branch refs/convert/parquet, CONFIG/SPLIT/0000.parquet.
struct ConvertedConfig {
  std::string name;
  std::vector<SplitFiles> splits;
};
std::vector<ConvertedConfig> converted_configs(const std::vector<std::string>& names);

}  // namespace sleb
