#include "sleb/export/gguf_checkpoint.h"

#include <fmt/format.h>

#include <filesystem>

#include "sleb/base/error.h"
#include "sleb/export/gguf/converted_gguf.h"
#include "sleb/export/gguf/gguf_output.h"
#include "sleb/export/gguf/pruned_gguf.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

void check_options(const Checkpoint& checkpoint, const ExportOptions& options) {
  if (options.halves || has_single_halves(options.removal_list)) {
    bad_input("{}: a GGUF can't say that a block lacks one half; give a folder as --out, or remove whole blocks",
              options.out.string());
  }
  if (checkpoint.is_gguf() && options.out_dtype != "auto" && !options.repaired) {
    bad_input("--out-dtype {}: a GGUF's tensors stay as they are in a GGUF; leave it out, or give a folder as --out",
              options.out_dtype);
  }
}

PrunedGguf gguf_of(const Checkpoint& checkpoint, const ExportOptions& options, const GgufRecord& record) {
  if (checkpoint.is_gguf()) return prune_gguf(checkpoint, record);
  return convert_to_gguf(checkpoint, record,
                         [&](const std::string& name) { return written_type(checkpoint, name, options); });
}

// How the user calls the model, without the folders that it lies in here.
std::string source_name(const OrderedJson& record) {
  std::string name = record.value("model", "");
  std::error_code ignored;
  if (!fs::exists(name, ignored)) return name;
  const fs::path path = fs::absolute(name).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

}  // namespace

std::vector<std::string> check_gguf(const Checkpoint& checkpoint, const ExportOptions& options,
                                    const std::vector<int64_t>& removed) {
  check_options(checkpoint, options);
  return gguf_of(checkpoint, options, {"", removed}).warnings;
}

uint64_t gguf_bytes(const Checkpoint& checkpoint, const ExportOptions& options) {
  const std::vector<int64_t> removed = blocks_gone(options.removal_list);
  const auto type = [&](const std::string& name) { return written_type(checkpoint, name, options); };
  const std::vector<TensorLayout> tensors = checkpoint.is_gguf() ? prune_gguf(checkpoint, {"", removed}).content.tensors
                                                                 : converted_tensors(checkpoint, removed, type);
  uint64_t bytes = 0;
  for (const TensorLayout& tensor : tensors) bytes += tensor.bytes();
  return bytes;
}

std::vector<TensorFile> gguf_files(const Checkpoint& checkpoint, const ExportOptions& options) {
  const GgufRecord record{"", blocks_gone(options.removal_list)};
  return files_of_gguf(options.out, options.shard_bytes, gguf_of(checkpoint, options, record).content);
}

void write_gguf_checkpoint(const Checkpoint& checkpoint, const ExportOptions& options, const ExportRecord& record,
                           Progress& progress) {
  check_output(options);  // hours may have passed
  check_options(checkpoint, options);
  std::vector<int64_t> removed;
  for (const Removal& removal : options.removal_list) removed.push_back(removal.block);
  const PrunedGguf pruned = gguf_of(checkpoint, options, {source_name(record.json), removed});
  // check() has told the others.
  for (const std::string& line : removed.empty() ? pruned.warnings : std::vector<std::string>()) {
    progress.note("warning: " + line);
  }
  const auto names =
      write_gguf({options.out, record.json, options.shard_bytes, options.force}, pruned.content, progress);
  if (names.size() > 1) {
    progress.note(
        fmt::format("{}: in {} parts, {} to {}", options.out.string(), names.size(), names.front(), names.back()));
  }
}

}  // namespace sleb
