// A GGUF file as an output: where it may be written, and its parts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/base/progress.h"
#include "sleb/checkpoint/formats/gguf/writer.h"

namespace sleb {

// Whether a path names a GGUF file to write, by its ending.
bool is_gguf_output(const std::filesystem::path& out);

// NAME of NAME.gguf, and of its parts NAME-00001-of-00003.gguf.
std::string name_of_gguf(const std::filesystem::path& file);

// Throws Error(bad_input) for a folder, for what is no regular file, and, unless `force`, for a file with content, in
// the place of the GGUF or of its record; with `in_parts` also for parts that are there under the names of out's,
// whatever their number.
void check_gguf_output(const std::filesystem::path& out, bool in_parts, bool force);

// The files beside `out` that are called as parts of it are: NAME-00001-of-00003.gguf for NAME.gguf.
std::vector<std::filesystem::path> parts_of_gguf(const std::filesystem::path& out);

struct GgufOutput {
  std::filesystem::path out;
  OrderedJson record;  // what stands beside it (record_of); its "files" are added: the names of all that is written
  // A part's tensors are at most that large together, as llama-gguf-split divides a model; nothing: one file.
  std::optional<uint64_t> part_bytes;
  bool force = false;
};

// A file that is to be written, and its tensors.
struct TensorFile {
  std::string name;
  std::vector<TensorLayout> tensors;
};

struct GgufContent {
  GgufEntries entries;
  std::vector<TensorLayout> tensors;
  uint64_t alignment;
  // Writes the bytes of the tensor with that index, tensor after tensor.
  std::function<void(size_t, GgufWriter&)> write;
};

// The file, or its parts in their order. Throws Error(bad_input) for more parts than a GGUF can have.
std::vector<TensorFile> files_of_gguf(const std::filesystem::path& out, std::optional<uint64_t> part_bytes,
                                      const GgufContent& content);

// Writes the file, or its parts NAME-00001-of-00003.gguf where there are several, and the record, under their names
// only when all are whole; the record appears first. Returns the names without the record's. Throws Error(bad_input),
// Error(failed) where the disk refuses, Interrupted.
std::vector<std::string> write_gguf(const GgufOutput& output, const GgufContent& content, Progress& progress);

}  // namespace sleb
