// The files that a text is made of, and how their rows are read.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sleb {

// How rows become one text: wikitext2 joins rows with a blank line, c4 with a space.
enum class RowRules { wikitext2, c4 };

// What was read of a data set on the hub.
struct DatasetOrigin {
  std::string repository;  // "org/name"
  std::string revision;    // "main"
  std::string commit;
  std::string config;              // "wikitext-2-raw-v1"; "default" where the repository names none
  std::string split;               // "train"
  std::string field;               // the column or member that holds its texts; "": not read yet
  std::vector<std::string> files;  // inside the repository, in the order of their rows
};

struct TextSource {
  TextSource() = default;
  TextSource(const std::filesystem::path& file) : name(file.string()), files{file} {}  // NOLINT: a file is a source

  std::string name;                          // what the user called it
  std::vector<std::filesystem::path> files;  // the rows of all, one file after the other
  std::optional<RowRules> rules;             // nothing: as the files' type and rows say (read_rows)
  std::string field;                         // the texts' column or member; "": "text", or the only one of text
  std::optional<DatasetOrigin> origin;       // of a data set by name; its rows are then those of Hugging Face datasets
};

}  // namespace sleb
