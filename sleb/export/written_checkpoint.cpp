#include "sleb/export/written_checkpoint.h"

#include <fmt/format.h>

#include "sleb/base/error.h"
#include "sleb/checkpoint/formats/gguf/part.h"
#include "sleb/export/output_folder.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

// Opening it checks that its data are there to the end.
std::string difference_of(const fs::path& path, const std::map<std::string, StoredTensor>& tensors,
                          const std::vector<TensorLayout>* expected) {
  if (expected == nullptr) return "";
  for (const TensorLayout& tensor : *expected) {
    const auto found = tensors.find(tensor.name);
    if (found == tensors.end() || found->second.shape != tensor.shape) {
      return fmt::format("{} lacks {}, so its shards are of another size", path.string(), tensor.name);
    }
    if (found->second.type != tensor.type) {
      return fmt::format("{} has {} as {}, not {}", path.string(), tensor.name, name_of(found->second.type),
                         name_of(tensor.type));
    }
  }
  return tensors.size() == expected->size() ? "" : fmt::format("{} has other tensors", path.string());
}

std::string difference_of(const fs::path& path, bool is_gguf, const std::vector<TensorLayout>* expected) {
  if (is_gguf) return difference_of(path, read_gguf_part(path).tensors, expected);
  return difference_of(path, SafetensorsReader::open_file(path).tensors(), expected);
}

std::string difference_in(const fs::path& record, const Checkpoint& checkpoint, const ExportOptions& options) {
  const bool is_gguf = is_gguf_output(options.out);
  const fs::path folder = record.parent_path();
  for (const std::string& name : files_in_record(record)) {
    const fs::path path = folder / name;
    if (!fs::exists(path)) return fmt::format("{} is not there", path.string());
    if (path.extension() == (is_gguf ? ".gguf" : ".safetensors")) difference_of(path, is_gguf, nullptr);
  }
  if (options.repaired && is_gguf && checkpoint.is_gguf()) return "";
  for (const TensorFile& file : tensor_files(checkpoint, options)) {
    const fs::path path = folder / file.name;
    if (!fs::exists(path)) return fmt::format("{} is not there, so its shards are of another size", path.string());
    const std::string difference = difference_of(path, is_gguf, &file.tensors);
    if (!difference.empty()) return difference;
  }
  return "";
}

}  // namespace

std::string difference_of_written(const Checkpoint& checkpoint, const ExportOptions& options) {
  try {
    return difference_in(record_of(options.out), checkpoint, options);
  } catch (const Error& error) {
    return error.what();
  } catch (const fs::filesystem_error& error) {
    return error.what();
  }
}

}  // namespace sleb
