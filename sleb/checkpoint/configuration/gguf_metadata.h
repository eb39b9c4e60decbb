// The metadata of the model in a GGUF file: the keys that begin with its architecture's name.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/checkpoint/formats/gguf.h"

namespace sleb {

// Every function takes a key without the architecture in front ("block_count") and throws Error(bad_input), naming file
// and key, for a value of another kind.
class ModelMetadata {
 public:
  explicit ModelMetadata(const GgufFile& file) : file_(file), architecture_(file.string("general.architecture")) {}

  const GgufFile& file() const { return file_; }
  const std::string& architecture() const { return architecture_; }
  std::string key(std::string_view name) const;
  bool has(std::string_view name) const { return file_.has(key(name)); }
  std::optional<int64_t> find_integer(std::string_view name) const { return file_.find_integer(key(name)); }
  std::optional<double> find_number(std::string_view name) const { return file_.find_number(key(name)); }
  std::optional<bool> find_boolean(std::string_view name) const { return file_.find_boolean(key(name)); }
  std::optional<std::string> find_string(std::string_view name) const { return file_.find_string(key(name)); }
  // From 1 to `most`; refused where it is absent or another.
  int64_t size(std::string_view name, int64_t most = int64_t{1} << 28) const;
  // A size that every block has, given once or once for each block.
  int64_t size_in_all_blocks(std::string_view name, int64_t num_blocks) const;
  // A list of booleans, or of numbers that are 0 or not; none where it is absent or one value.
  std::optional<std::vector<bool>> find_flags(std::string_view name) const;
  bool has_tensor(const std::string& name) const { return file_.tensors().contains(name); }

  [[noreturn]] void refuse(std::string_view name, std::string_view what) const;

 private:
  const GgufFile& file_;
  std::string architecture_;
};

}  // namespace sleb
