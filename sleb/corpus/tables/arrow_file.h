// Batches of rows from a Parquet file or an Arrow one (the IPC format's file or stream form).
#pragma once

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "sleb/base/file.h"

namespace sleb {

// One of the forms.
class BatchSource;

// A file that is read from the beginning to the end, a few hundred rows at a time.
class ArrowFile {
 public:
  // By the name's ending, .parquet or .arrow. Throws Error(bad_input) for a file that is not what its name says.
  explicit ArrowFile(const std::filesystem::path& path);
  ~ArrowFile();
  ArrowFile(const ArrowFile&) = delete;
  ArrowFile& operator=(const ArrowFile&) = delete;

  // Of all columns.
  const arrow::Schema& schema() const { return *schema_; }
  uint64_t size() const { return file_.bytes().size(); }  // bytes

  // Chooses the columns to read, by their places in the schema, ascending. Before the first next().
  void select(const std::vector<int>& columns);

  // The next rows of the chosen columns, checked to the last byte (arrow's ValidateFull), or null at the end. Throws
  // Error(bad_input), saying which rows, for whatever is broken in the file.
  std::shared_ptr<arrow::RecordBatch> next();

 private:
  template <typename Work>
  auto guarded(const Work& work) const -> decltype(work());
  [[noreturn]] void fail(std::string_view what) const;

  MappedFile file_;
  std::unique_ptr<BatchSource> source_;
  std::shared_ptr<arrow::Schema> schema_;
  int64_t rows_ = 0;  // read so far
};

}  // namespace sleb
