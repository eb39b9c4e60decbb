// Writes a model with some blocks gone, as a Hugging Face folder or as a GGUF.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/base/progress.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/engine/plans/removal_list.h"
#include "sleb/export/gguf/gguf_output.h"

namespace sleb {

struct ExportOptions {
  std::filesystem::path out;       // a folder, or a GGUF file by its ending, .gguf
  RemovalList removal_list;        // any order
  bool halves = false;             // a list that is not known yet may have halves of blocks
  std::string out_dtype = "auto";  // auto: as stored, quantised types as bfloat16; float32, bfloat16, float16
  // A shard's tensors are at most that large together; nothing: 5 GB, or of a GGUF one file.
  std::optional<uint64_t> shard_bytes = {};
  bool repaired = false;  // some tensors will be replaced, those of a GGUF as bfloat16 where out_dtype is auto
  bool force = false;     // replace an existing target
};

// What goes into the folder beside the model; a GGUF gets the JSON alone, beside it as NAME.sleb.json.
struct ExportRecord {
  std::string card;     // README.md
  OrderedJson json;     // sleb.json; its "files" are added: the names of all that is written
  std::string picture;  // sleb.svg, which the card shows
};

// The line of a card that shows the picture.
std::string card_picture(const std::string& alternative_text);

// What the folder will hold.
struct ExportSize {
  int64_t parameters;
  uint64_t bytes;  // of the tensors
};

// The type in which a tensor is written. Throws Error(bad_input) for an --out-dtype that is not known.
StoredType written_type(const Checkpoint& checkpoint, const std::string& name, const ExportOptions& options);

// What can be said without the checkpoint. Throws Error(bad_input) for an unknown type, and for an existing target that
// is not to be replaced, that sleb did not write or that holds other files too.
void check_output(const ExportOptions& options);

// Throws Error(bad_input) for what can't be met (what check_output refuses, a GGUF whose tokenizer or rope has no
// Hugging Face form, 8-bit floats whose scales or quantization_config are not usable): call it before long work. An
// empty removal list counts as one that is not known yet. Returns what the user should know: keys of config.json that
// may speak of blocks and are left as they are.
[[nodiscard]] std::vector<std::string> check(const Checkpoint& checkpoint, const ExportOptions& options);
ExportSize export_size(const Checkpoint& checkpoint, const ExportOptions& options);

// What write_pruned_checkpoint writes tensors to.
std::vector<TensorFile> tensor_files(const Checkpoint& checkpoint, const ExportOptions& options);

// safetensors shards with blocks renumbered from 0, config.json, tokenizer and generation files, model card and
// sleb.json. Tensors pass through memory one at a time. The folder appears under its name only when
// whole. Or a GGUF, of a GGUF: export/gguf/pruned_gguf.h. Throws Error(bad_input), Error(failed) where the disk
// refuses, Interrupted.
void write_pruned_checkpoint(const Checkpoint& checkpoint, const ExportOptions& options, ExportRecord record,
                             Progress& progress);

}  // namespace sleb
