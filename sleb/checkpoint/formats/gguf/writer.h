// Writes GGUF files, version 3 (ggml's docs/gguf.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/file.h"
#include "sleb/checkpoint/formats/gguf/part.h"
#include "sleb/checkpoint/formats/stored_tensor.h"

namespace sleb {

// One key of a file's metadata; `value` as the file will hold it: the number of its type, and its bytes.
struct GgufEntry {
  std::string key;
  std::string value;
};

namespace gguf_value {

std::string u16(uint16_t number);
std::string u32(uint32_t number);
std::string i32(int32_t number);
std::string f32(float number);
std::string boolean(bool value);
std::string string(std::string_view text);
std::string booleans(const std::vector<bool>& values);
std::string i32s(const std::vector<int64_t>& numbers);
std::string f32s(const std::vector<double>& numbers);
std::string strings(const std::vector<std::string>& texts);
// An array as a file holds it, reduced to these elements; strings too. Throws Error(bad_input), beginning with `place`,
// for what is no array or has not so many elements.
std::string elements_of(Bytes array, const std::vector<int64_t>& kept, const std::string& place);

}  // namespace gguf_value

using GgufEntries = std::vector<GgufEntry>;

// Replaces a key's value where it stands, or adds it at the end.
void set(GgufEntries& entries, std::string_view key, std::string value);
// What a reader would make of them. Throws Error(bad_input) as GgufFile's constructor does.
GgufMetadata decode(const GgufEntries& entries, const std::string& label);

// Writes one file, tensor by tensor in the order of `layout`, each at the next multiple of `alignment` (a power of two)
// bytes into the data. A tensor's bytes may come in pieces.
// Throws Error(failed) where the disk refuses, and for calls that do not follow the layout.
class GgufWriter {
 public:
  GgufWriter(const std::filesystem::path& path, const GgufEntries& entries, std::vector<TensorLayout> layout,
             uint64_t alignment);
  // The next bytes of the current tensor; the next tensor begins when it is full.
  void write(Bytes data);
  // Syncs and closes; every tensor must have been written.
  void close();

 private:
  // Tensors without bytes, and what stands between them.
  void finish_full_tensors();

  OutputFile file_;
  std::string label_;
  std::vector<TensorLayout> layout_;
  uint64_t alignment_;
  size_t current_ = 0;
  uint64_t written_ = 0;  // bytes of the current tensor
};

}  // namespace sleb
