// The GGUF format, versions 2 and 3 (ggml's docs/gguf.md): metadata, then tensor descriptions, then aligned tensor
// data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sleb/base/file.h"
#include "sleb/checkpoint/formats/stored_tensor.h"

namespace sleb {

// A metadata value. Integers of every width are widened; arrays are of one type each.
using GgufValue = std::variant<uint64_t, int64_t, double, bool, std::string, std::vector<int64_t>, std::vector<double>,
                               std::vector<bool>, std::vector<std::string>>;

class GgufFile {
 public:
  // Reads metadata and descriptions only, whatever the size of the data.
  // Throws Error(bad_input), naming file, key or tensor, for anything that does not follow the format, where ggml's own
  // reader is the judge. A tensor type that StoredType lacks is refused by its ggml name, and so is a file that is one
  // of several (split.count > 1), big-endian, or has arrays of arrays.
  explicit GgufFile(const std::filesystem::path& path);

  const std::string& label() const { return label_; }  // the path as given, for messages
  uint32_t version() const { return version_; }
  const std::map<std::string, GgufValue>& metadata() const { return metadata_; }
  // Shapes outermost first (GGUF stores them innermost first).
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  uint64_t file_bytes() const { return file_.bytes().size(); }
  // The file as it is.
  std::vector<Bytes> contents() const { return {file_.bytes()}; }

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

  MappedFile file_;
  std::string label_;
  uint32_t version_ = 0;
  std::map<std::string, GgufValue> metadata_;
  std::map<std::string, StoredTensor> tensors_;
};

}  // namespace sleb
