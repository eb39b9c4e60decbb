// Where the text is that a user's --dataset or --ppl means: a file, or a data set on the hub, from the cache or fetched
// into it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/corpus/text_source.h"
#include "sleb/datasets/dataset_name.h"
#include "sleb/hub/repository_name.h"

namespace sleb {

// What is wanted of a repository.
struct DatasetRequest {
  RepositoryName repository;
  std::string config;               // "": the only one, or the default
  std::vector<std::string> splits;  // the first of them that there is
  std::vector<std::string> files;   // inside the repository, in place of the split's; empty: all of the split
  // Whether the reader of the rows reads a file of this name; others are refused before they are fetched.
  std::function<bool(const std::filesystem::path& file)> reads;
};

struct DatasetFiles {
  std::vector<std::filesystem::path> files;  // in the cache, in the order of their rows
  DatasetOrigin origin;
};

// Which files they are is decided as Hugging Face datasets 5.2 does: by the card's configurations, else by the files'
// names; where a script would have to run, by the Parquet files that the hub has made. The cache is read first: what is
// there whole is used at once, and what is missing is fetched by hf_download, README.md first, with progress. Throws
// Error, saying which configurations and splits there are, or what else to do, and Interrupted.
DatasetFiles find_dataset(const DatasetRequest& request, Progress& progress);

// What find_text refuses before anything is fetched. Throws Error(bad_input) for a file that is not there, and for a
// folder that has a data set's name.
void check_text(const std::string& given, TextPurpose purpose);

// A path that exists, or that can't be a name, is taken as it stands. Throws what check_text and find_dataset throw.
TextSource find_text(const std::string& given, TextPurpose purpose, Progress& progress);

// What a command reads of the text, whether it is there yet or not: the path, or the repository's folder in the cache.
std::filesystem::path place_of_text(const std::string& given);

}  // namespace sleb
