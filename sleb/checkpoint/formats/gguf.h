// The GGUF format, versions 2 and 3 (ggml's docs/gguf.md): metadata, then tensor descriptions, then aligned tensor
// data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/file.h"
#include "sleb/checkpoint/formats/gguf/part.h"
#include "sleb/checkpoint/formats/stored_tensor.h"

namespace sleb {

class GgufFile {
 public:
  // `path`: a file, or any of the parts of a model that is split into several: then all of them are opened.
  // Reads metadata and descriptions only, whatever the size of the data.
  // Throws Error(bad_input), naming file, key or tensor, for anything that does not follow the format, where ggml's own
  // reader is the judge, and for parts that do not make a whole (gguf/split.h). A tensor type that StoredType lacks is
  // refused by its ggml name, and so is a file that is big-endian or has arrays of arrays.
  explicit GgufFile(const std::filesystem::path& path);
  // One that is still to be written: the tensors' data lie elsewhere, and outlive it.
  GgufFile(std::string label, GgufMetadata metadata, std::map<std::string, StoredTensor> tensors);

  // The path as given, or of the first part: where the metadata is, for messages.
  const std::string& label() const { return label_; }
  uint32_t version() const { return version_; }
  const GgufMetadata& metadata() const { return metadata_; }
  // Shapes outermost first (GGUF stores them innermost first).
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  // Metadata and tensors as they stand in the file, part after part; of the metadata the first part's.
  const std::vector<EncodedGgufValue>& encoded_metadata() const { return encoded_; }
  const std::vector<std::string>& tensor_names() const { return tensor_names_; }
  uint64_t file_bytes() const;  // of all parts
  // The files as they are, in the parts' order.
  std::vector<Bytes> contents() const;

  // Metadata by key. `find_*` give nothing where the key is absent; the others throw Error(bad_input) there. All throw
  // Error(bad_input) if the value is of another kind. A number is an integer or a finite floating-point value.
  bool has(const std::string& key) const { return metadata_.contains(key); }
  int64_t integer(const std::string& key) const;
  std::optional<int64_t> find_integer(const std::string& key) const;
  std::optional<double> find_number(const std::string& key) const;
  std::optional<bool> find_boolean(const std::string& key) const;
  std::string string(const std::string& key) const;
  std::optional<std::string> find_string(const std::string& key) const;
  const std::vector<std::string>& strings(const std::string& key) const;
  const std::vector<int64_t>& integers(const std::string& key) const;

 private:
  template <typename Value>
  const Value* find(const std::string& key, std::string_view kind) const;
  template <typename Value>
  const Value& at(const std::string& key, std::string_view kind) const;

  std::vector<MappedFile> files_;
  std::string label_;
  uint32_t version_ = 0;
  GgufMetadata metadata_;
  std::vector<EncodedGgufValue> encoded_;
  std::vector<std::string> tensor_names_;
  std::map<std::string, StoredTensor> tensors_;
};

}  // namespace sleb
