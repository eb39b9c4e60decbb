#include "sleb/corpus/tables/arrow_file.h"

#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/options.h>
#include <arrow/ipc/reader.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>

#include <numeric>

#include "sleb/base/error.h"
#include "sleb/base/progress.h"

namespace sleb {

class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual std::shared_ptr<arrow::Schema> schema() = 0;
  virtual void select(const std::vector<int>& columns) = 0;
  // Null at the end.
  virtual std::shared_ptr<arrow::RecordBatch> next() = 0;
};

namespace {

// Few enough that a batch of long texts is small beside a model.
constexpr int64_t batch_rows = 256;

// For decoding: a batch, and the compressed and decompressed pages or buffers it comes from. Far above what writers
// make, and below what a file of a few kilobytes can claim.
constexpr int64_t memory_limit = int64_t{4} << 30;

// Arrow's own message, on the way to ArrowFile.
struct ArrowFailure {
  std::string what;
};

void check(const arrow::Status& status) {
  if (!status.ok()) throw ArrowFailure{status.message()};
}

template <typename T>
T value_of(arrow::Result<T> result) {
  check(result.status());
  return std::move(result).ValueUnsafe();
}

arrow::MemoryPool& memory() {
  static arrow::CappedMemoryPool pool(arrow::system_memory_pool(), memory_limit);
  return pool;
}

std::shared_ptr<arrow::io::BufferReader> reader_of(Bytes bytes) {
  return std::make_shared<arrow::io::BufferReader>(std::make_shared<arrow::Buffer>(
      reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int64_t>(bytes.size())));
}

void append_leaves(const parquet::arrow::SchemaField& field, std::vector<int>& leaves) {
  if (field.is_leaf()) leaves.push_back(field.column_index);
  for (const auto& child : field.children) append_leaves(child, leaves);
}

class ParquetSource : public BatchSource {
 public:
  explicit ParquetSource(Bytes bytes) {
    parquet::ReaderProperties properties(&memory());
    properties.set_page_checksum_verification(true);
    parquet::ArrowReaderProperties arrow_properties(/*use_threads=*/false);
    arrow_properties.set_batch_size(batch_rows);
    arrow_properties.set_pre_buffer(false);
    parquet::arrow::FileReaderBuilder builder;
    check(builder.Open(reader_of(bytes), properties));
    reader_ = value_of(builder.memory_pool(&memory())->properties(arrow_properties)->Build());
  }

  std::shared_ptr<arrow::Schema> schema() override {
    std::shared_ptr<arrow::Schema> schema;
    check(reader_->GetSchema(&schema));
    return schema;
  }

  void select(const std::vector<int>& columns) override {
    std::vector<int> leaves;
    for (const int column : columns) {
      append_leaves(reader_->manifest().schema_fields.at(static_cast<size_t>(column)), leaves);
    }
    std::vector<int> row_groups(static_cast<size_t>(reader_->num_row_groups()));
    std::iota(row_groups.begin(), row_groups.end(), 0);
    batches_ = value_of(reader_->GetRecordBatchReader(row_groups, leaves));
  }

  std::shared_ptr<arrow::RecordBatch> next() override {
    std::shared_ptr<arrow::RecordBatch> batch;
    check(batches_->ReadNext(&batch));
    return batch;
  }

 private:
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
};

arrow::ipc::IpcReadOptions ipc_options(const std::vector<int>& columns) {
  arrow::ipc::IpcReadOptions options = arrow::ipc::IpcReadOptions::Defaults();
  options.memory_pool = &memory();
  options.use_threads = false;
  options.included_fields = columns;
  options.ensure_alignment = arrow::ipc::Alignment::kDataTypeSpecificAlignment;
  return options;
}

// With a table of contents at its end.
class ArrowFileSource : public BatchSource {
 public:
  explicit ArrowFileSource(Bytes bytes) : bytes_(bytes) { open({}); }

  std::shared_ptr<arrow::Schema> schema() override { return reader_->schema(); }
  void select(const std::vector<int>& columns) override { open(columns); }

  std::shared_ptr<arrow::RecordBatch> next() override {
    if (next_ == reader_->num_record_batches()) return nullptr;
    return value_of(reader_->ReadRecordBatch(next_++));
  }

 private:
  void open(const std::vector<int>& columns) {
    reader_ = value_of(arrow::ipc::RecordBatchFileReader::Open(reader_of(bytes_), ipc_options(columns)));
  }

  Bytes bytes_;
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> reader_;
  int next_ = 0;
};

// As Hugging Face datasets keeps its tables.
class ArrowStreamSource : public BatchSource {
 public:
  explicit ArrowStreamSource(Bytes bytes) : bytes_(bytes) { open({}); }

  std::shared_ptr<arrow::Schema> schema() override { return reader_->schema(); }
  void select(const std::vector<int>& columns) override { open(columns); }

  std::shared_ptr<arrow::RecordBatch> next() override {
    std::shared_ptr<arrow::RecordBatch> batch;
    check(reader_->ReadNext(&batch));
    if (batch == nullptr && !ended_by_mark()) throw ArrowFailure{"it ends without the mark for the end of a stream"};
    return batch;
  }

 private:
  void open(const std::vector<int>& columns) {
    stream_ = reader_of(bytes_);
    reader_ = value_of(arrow::ipc::RecordBatchStreamReader::Open(stream_, ipc_options(columns)));
  }

  // Arrow takes the file's end for the stream's. The mark is a length of zero (IPC format, "IPC Streaming Format").
  bool ended_by_mark() const {
    const auto end = static_cast<size_t>(value_of(stream_->Tell()));
    if (end < 4 || end > bytes_.size()) return false;
    const Bytes mark = bytes_.subspan(end - 4, 4);
    return std::ranges::all_of(mark, [](std::byte byte) { return byte == std::byte{0}; });
  }

  Bytes bytes_;
  std::shared_ptr<arrow::io::BufferReader> stream_;
  std::shared_ptr<arrow::ipc::RecordBatchReader> reader_;
};

std::unique_ptr<BatchSource> open_parquet(const MappedFile& file) {
  const std::string_view text = file.text();
  const std::string label = file.path().string();
  if (text.ends_with("PARE")) bad_input("{}: an encrypted Parquet file, which is not read here", label);
  if (!text.starts_with("PAR1")) bad_input("{}: not a Parquet file: it does not begin with PAR1", label);
  if (!text.ends_with("PAR1")) bad_input("{}: the Parquet file is cut off: it does not end with PAR1", label);
  return std::make_unique<ParquetSource>(file.bytes());
}

std::unique_ptr<BatchSource> open_arrow(const MappedFile& file) {
  const std::string_view text = file.text();
  const std::string label = file.path().string();
  if (text.empty()) bad_input("{}: an empty file", label);
  if (text.starts_with("FEA1")) bad_input("{}: a Feather file of version 1, which is not read here", label);
  if (!text.starts_with("ARROW1")) return std::make_unique<ArrowStreamSource>(file.bytes());
  if (!text.ends_with("ARROW1")) bad_input("{}: the Arrow file is cut off: it does not end with ARROW1", label);
  return std::make_unique<ArrowFileSource>(file.bytes());
}

}  // namespace

ArrowFile::ArrowFile(const std::filesystem::path& path) : file_(path) {
  guarded([&] {
    source_ = path.extension() == ".parquet" ? open_parquet(file_) : open_arrow(file_);
    schema_ = source_->schema();
  });
}

ArrowFile::~ArrowFile() = default;

// Arrow has error codes and exceptions.
template <typename Work>
auto ArrowFile::guarded(const Work& work) const -> decltype(work()) {
  try {
    return work();
  } catch (const ArrowFailure& failure) {
    fail(failure.what);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    fail(error.what());
  }
}

void ArrowFile::fail(std::string_view what) const {
  what = what.substr(0, what.find('\n'));
  const std::string after = rows_ > 0 ? fmt::format(", after row {}", rows_) : "";
  const std::string_view kind = file_.path().extension() == ".parquet" ? "Parquet" : "Arrow";
  bad_input("{}{}: not a whole {} file: {}", file_.path().string(), after, kind, what);
}

void ArrowFile::select(const std::vector<int>& columns) {
  guarded([&] { source_->select(columns); });
}

std::shared_ptr<arrow::RecordBatch> ArrowFile::next() {
  check_interrupt();
  auto batch = guarded([&] {
    auto read = source_->next();
    if (read != nullptr) check(read->ValidateFull());
    return read;
  });
  if (batch != nullptr) rows_ += batch->num_rows();
  return batch;
}

}  // namespace sleb
