// Rows of a task's data set: .jsonl files and tables under names that begin with the task's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sleb/base/json.h"

namespace sleb {

struct TaskRow {
  Json fields;
  std::string place;  // "piqa.validation.jsonl, line 3"; "piqa.validation.parquet, row 3"
};

struct TaskRows {
  std::filesystem::path file;      // the first
  int64_t total = 0;               // rows of the files
  std::vector<TaskRow> rows = {};  // the first of them, as many as were asked for
};

// The file of `folder` that holds a data set's rows: NAME.jsonl or NAME.<anything>.jsonl, either with .gz behind, or
// with .parquet, .arrow, .csv or .tsv in place of .jsonl. Those
// with "train" for <anything> hold the examples of few-shot prompts. Throws Error(bad_input) if the folder can't be
// read, or two files would do.
struct TaskFiles {
  std::vector<std::filesystem::path> rows;  // one file behind the other
  std::vector<std::filesystem::path> examples = {};
};
// Throws Error(bad_input) if there is no file of rows, too.
TaskFiles find_task_files(const std::filesystem::path& folder, const std::string& name);

// Whether a data set's file has a name whose rows are read: those of a table, or of JSON.
bool reads_task_rows(const std::filesystem::path& file);

// The first `limit` rows, or all, of files one behind the other: of JSON its lines, of which blank ones are no rows, or
// the elements of one array. Throws Error(bad_input), naming file and line, for a row that is no JSON object, and for
// files without rows; of JSON what for_each_json_row throws, of a table what for_each_record throws.
TaskRows read_task_rows(const std::vector<std::filesystem::path>& files, std::optional<int64_t> limit);

}  // namespace sleb
