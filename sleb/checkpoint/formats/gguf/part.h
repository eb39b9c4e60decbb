// One GGUF file as it lies on disk.
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
using GgufMetadata = std::map<std::string, GgufValue>;

struct GgufPart {
  MappedFile file;
  std::string label;  // the path as given, for messages
  uint32_t version = 0;
  GgufMetadata metadata = {};
  std::map<std::string, StoredTensor> tensors = {};  // their data lies in `file`
};

// Reads metadata and descriptions only. Throws Error(bad_input) as GgufFile's constructor does.
GgufPart read_gguf_part(const std::filesystem::path& path);

// "FILE: metadata 'KEY'", for messages.
std::string metadata_place(const std::string& label, std::string_view key);

// An integer by its key, nothing where the key is absent. Throws Error(bad_input) if the value is of another kind or
// does not fit.
std::optional<int64_t> find_integer(const GgufMetadata& metadata, const std::string& key, const std::string& label);

}  // namespace sleb
