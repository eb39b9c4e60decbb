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

// A metadata value as the file holds it: the number of its type, and its bytes.
struct EncodedGgufValue {
  std::string key;
  Bytes value;
};

struct GgufPart {
  MappedFile file;
  std::string label;  // the path as given, for messages
  uint32_t version = 0;
  GgufMetadata metadata = {};
  std::vector<EncodedGgufValue> encoded = {};        // the same in the file's order; the bytes lie in `file`
  std::map<std::string, StoredTensor> tensors = {};  // their data lies in `file`
  std::vector<std::string> tensor_names = {};        // in the file's order
};

// Reads metadata and descriptions only. Throws Error(bad_input) as GgufFile's constructor does.
GgufPart read_gguf_part(const std::filesystem::path& path);

// Throws Error(bad_input), beginning with `place`, if the bytes are not just one value.
GgufValue decode_gguf_value(Bytes encoded, const std::string& place);

// "FILE: metadata 'KEY'", for messages.
std::string metadata_place(const std::string& label, std::string_view key);

// An integer by its key, nothing where the key is absent. Throws Error(bad_input) if the value is of another kind or
// does not fit.
std::optional<int64_t> find_integer(const GgufMetadata& metadata, const std::string& key, const std::string& label);

// Of the tensors' data, in bytes: general.alignment, or 32. Throws Error(bad_input) if it is not a power of two.
uint64_t alignment_of(const GgufMetadata& metadata, const std::string& label);

}  // namespace sleb
