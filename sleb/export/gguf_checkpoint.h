// A checkpoint's output as a GGUF, of a GGUF or of a folder: what pruned_checkpoint.h does where `out` is one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/export/pruned_checkpoint.h"

namespace sleb {

// Throws Error(bad_input) for what can't be written without these blocks. Returns what the user should know.
[[nodiscard]] std::vector<std::string> check_gguf(const Checkpoint& checkpoint, const ExportOptions& options,
                                                  const std::vector<int64_t>& removed);

// Of the tensors, together.
uint64_t gguf_bytes(const Checkpoint& checkpoint, const ExportOptions& options);
// tensor_files of a GGUF.
std::vector<TensorFile> gguf_files(const Checkpoint& checkpoint, const ExportOptions& options);

// Throws Error(bad_input), Error(failed) where the disk refuses, Interrupted; nothing is left there then.
void write_gguf_checkpoint(const Checkpoint& checkpoint, const ExportOptions& options, const ExportRecord& record,
                           Progress& progress);

}  // namespace sleb
