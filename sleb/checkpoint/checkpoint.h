// A model on disk: a Hugging Face folder or a GGUF file, seen as one thing: a ModelSpec and tensors under their Hugging
// Face names. Nothing is read until asked for.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/base/progress.h"
#include "sleb/checkpoint/formats/gguf.h"
#include "sleb/checkpoint/formats/safetensors.h"
#include "sleb/checkpoint/formats/stored_tensor.h"
#include "sleb/checkpoint/model_spec.h"
#include "sleb/checkpoint/packed/packed_weight.h"
#include "sleb/checkpoint/weight_scales.h"
#include "sleb/text/chat/chat_template.h"
#include "sleb/text/tokenizer.h"

namespace sleb {

class Checkpoint {
 public:
  // `path`: a folder with config.json and safetensors, or a GGUF (model_location.h). Every tensor that the model needs
  // is there, with the right shape, and no block holds a tensor that the family does not know; else throws
  // Error(bad_input). As in transformers, a folder's tensor names may lack the "model." in front, and a tied head may
  // be stored in the embedding's place or beside it.
  static Checkpoint open(const std::filesystem::path& path);
  Checkpoint(Checkpoint&&) noexcept;
  ~Checkpoint();

  const std::filesystem::path& path() const { return path_; }
  const ModelSpec& spec() const { return spec_; }
  bool is_gguf() const { return gguf_ != nullptr; }
  // The file that it was read from, nullptr for a folder.
  const GgufFile* gguf() const { return gguf_.get(); }
  // What the user should know of it: members of the configuration that are not read, ...; one line each.
  const std::vector<std::string>& warnings() const { return warnings_; }
  uint64_t file_bytes() const;  // of the files that hold the tensors
  // Of config.json and the files that hold the tensors; reads all of them, once. Throws Interrupted.
  std::string fingerprint(Progress& progress) const;

  // By Hugging Face name with its ending: "model.layers.0.mlp.up_proj.weight". In a multimodal model's file it may have
  // another, which is StoredTensor::name. Of a packed weight (packed/packed_weight.h) type and shape are there, not the
  // data. Throws Error(bad_input) if absent.
  const StoredTensor& tensor(const std::string& name) const;
  // Every tensor that belongs to the model: embedding, blocks, final norm, and the head unless it is tied.
  std::vector<std::string> tensor_names() const;
  // Where weights are 8-bit floats (weight_scales.h): the tensors beside them, with scales of weights and activations.
  std::vector<std::string> scale_names() const;
  // Reads the weights' scales, and the zero points of packed ones. Throws Error(bad_input), as read() does, for a scale
  // that is not a positive number (of packed weights: finite), and for zero points out of range.
  void check_scales() const;
  // The weight as the file holds it in several tensors; nullptr where it is a tensor, or has been replaced by one.
  const PackedWeight* packed(const std::string& name) const;
  // Whether a folder has any.
  bool has_packed_weights() const { return !is_gguf() && !packed_.empty(); }
  // Names of weights that the file holds packed and that have been replaced.
  std::vector<std::string> replaced_packed_weights() const;
  // Bytes in the file of a tensor or a packed weight.
  uint64_t stored_bytes(const std::string& name) const;
  // Tensors that the model is not computed from: of a multimodal model those of its other parts, by the names that they
  // have in the file; those of blocks behind the model's.
  const std::vector<std::string>& other_names() const { return other_names_; }
  // What the tensors are stored in ("BF16", "GPTQ int4 in groups of 128 (decoded to F16)"), with their parameters, most
  // first.
  std::vector<std::pair<std::string, int64_t>> stored_types() const;

  // A tensor's values as float32, scaled, in transformers' order (a GGUF's permutation of query and key rows undone).
  void read(const std::string& name, std::span<float> out) const;
  // Rows of a matrix, [rows.size(), columns].
  void read_rows(const std::string& name, std::span<const int64_t> rows, std::span<float> out) const;
  // One of what lies one below the other in a tensor, along its first dimension: a matrix of [experts, rows, columns].
  void read_one(const std::string& name, int64_t place, std::span<float> out) const;
  // Columns of a group where a matrix is stored as integers of 4 bits in groups of neighbouring columns; 0: it is not.
  int64_t int4_group(const std::string& name) const;
  // Such a matrix, as it is stored, rows in transformers' order.
  void read_int4(const std::string& name, const Int4Rows& out) const;
  // Puts these bytes of a plain type in the place of a tensor's own, of the same shape and in transformers' order:
  // whoever reads it from now on gets them, but a tensor's name in the file and fingerprint() stay. They must outlive
  // the checkpoint.
  void replace(const std::string& name, StoredType type, Bytes data);
  // Whether a tensor has been replaced.
  bool is_replaced(const std::string& name) const { return replaced_.contains(name); }
  // Tells the system that a tensor's pages of the mapped file are not needed for now.
  void release(const std::string& name) const;

  // config.json's content in its own order; for a GGUF, the configuration that says the same.
  // Throws Error(bad_input) if a GGUF's rope frequencies have no name in config.json.
  OrderedJson config() const;
  // Throws Error(bad_input) if there is none or it has an unknown part.
  Tokenizer tokenizer() const;
  // Nothing if the model brings none. Throws Error(bad_input) for a malformed one.
  std::optional<ChatTemplate> chat_template() const;
  // The tokens that end a text: eos_token_id (one or several) of generation_config.json, else of config.json; or the
  // GGUF's. Throws Error(bad_input) for ids outside the vocabulary.
  std::vector<int64_t> stop_ids() const;
  // Writes the tokenizer's and generation's files into `folder`: copied byte for byte, or rebuilt from the GGUF. Python
  // code goes along with a model that brings it.
  void write_companions(const std::filesystem::path& folder) const;

 private:
  Checkpoint() = default;
  void check_shapes() const;
  void check_all_known() const;
  // Puts packed weights in the place of their parts, and drops other integers.
  void take_packed_weights(const JsonView& config);
  std::vector<Bytes> contents() const;

  std::filesystem::path path_;
  ModelSpec spec_;
  std::string config_text_;
  mutable std::string fingerprint_;  // once it has been asked for
  std::vector<std::string> warnings_;
  std::unique_ptr<SafetensorsReader> safetensors_;
  std::unique_ptr<GgufFile> gguf_;
  std::map<std::string, StoredTensor> tensors_;                  // under Hugging Face names
  std::map<std::string, WeightScale> scales_;                    // by the weight's name
  std::map<std::string, std::unique_ptr<PackedWeight>> packed_;  // likewise
  std::set<std::string> replaced_;
  std::set<std::string> integers_;  // names of tensors that hold integers and are no part of a weight
  std::vector<std::string> other_names_;
};

// The block that a tensor belongs to by its name ("model.layers.3.mlp.up_proj.weight": 3); nothing for the others.
std::optional<int64_t> block_of(const ModelSpec& spec, std::string_view name);
// Of a tensor of a block behind the model's (ModelSpec::appended_blocks): how many such blocks stand before it.
std::optional<int64_t> appended_block_of(const ModelSpec& spec, std::string_view name);

// The tokenizer alone, of a folder or file that need not hold a whole model. Throws Error(bad_input).
Tokenizer load_tokenizer(const std::filesystem::path& path, Progress& progress = silent_progress());

}  // namespace sleb
