// What an earlier export left, compared with what it would be now.
#pragma once

#include <string>

#include "sleb/export/pruned_checkpoint.h"

namespace sleb {

// What write_pruned_checkpoint with these options would not have left so: a file of its record (record_of) that is not
// there, tensors that are missing, cut short, of another type or in other files; one line, "" where all is as it would
// be. Reads headers alone. Of a repaired GGUF written as a GGUF only what is missing or cut short: which tensors have
// been fitted, and so have another type, is not known before.
std::string difference_of_written(const Checkpoint& checkpoint, const ExportOptions& options);

}  // namespace sleb
