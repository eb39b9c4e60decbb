// A model in several GGUF files, as llama-gguf-split and the gguf wheel write them: model-00001-of-00003.gguf and so
// on. Each holds some of the tensors and, in its metadata, split.no (from 0), split.count and split.tensors.count (of
// all parts together); the first holds the rest of the metadata.
#pragma once

#include <filesystem>
#include <vector>

#include "sleb/checkpoint/formats/gguf/part.h"

namespace sleb {

// The file and, where it is one of several, all of them in their order; any of them may be given. The others are looked
// for under their names beside it, and a link among them may lead only where the given one does.
// Throws Error(bad_input), naming the file, for one that is missing, malformed or of another model, for a tensor that
// two of them hold, and for tensors miscounted.
std::vector<GgufPart> read_gguf_parts(const std::filesystem::path& path);

}  // namespace sleb
