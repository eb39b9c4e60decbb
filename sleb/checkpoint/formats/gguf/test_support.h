// For tests: GGUF files, byte for byte.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/untrusted_file.h"

namespace sleb::gguf_files {

using testing_files::bytes_of;

// Value types by their numbers in ggml's docs/gguf.md.
enum : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };
// Tensor types by their numbers in ggml.h.
enum : uint32_t { ggml_f32 = 0, ggml_q4_1 = 3, ggml_q8_0 = 8, ggml_q4_k = 12, ggml_i32 = 26, ggml_bf16 = 30 };

inline std::string text(std::string_view content) {
  return bytes_of<uint64_t>(content.size()) + std::string(content);
}

template <typename Number>
inline std::string entry(std::string_view key, uint32_t type, Number number) {
  return text(key) + bytes_of(type) + bytes_of(number);
}

inline std::string entry(std::string_view key, std::string_view value) {
  return text(key) + bytes_of<uint32_t>(string) + text(value);
}

// An array whose elements are `content`.
inline std::string entry(std::string_view key, uint32_t element_type, uint64_t count, std::string_view content) {
  return text(key) + bytes_of<uint32_t>(array) + bytes_of(element_type) + bytes_of(count) + std::string(content);
}

inline std::string tensor(std::string_view name, const std::vector<uint64_t>& innermost_first, uint32_t type,
                          uint64_t offset) {
  std::string bytes = text(name) + bytes_of(static_cast<uint32_t>(innermost_first.size()));
  for (const uint64_t dimension : innermost_first) bytes += bytes_of(dimension);
  return bytes + bytes_of(type) + bytes_of(offset);
}

// A GGUF file, byte for byte.
struct Gguf {
  std::string magic = "GGUF";
  uint32_t version = 3;
  std::vector<std::string> metadata = {};
  std::vector<std::string> tensors = {};
  size_t alignment = 32;  // of the data
  size_t data_bytes = 0;

  std::string bytes() const {
    std::string all =
        magic + bytes_of(version) + bytes_of<uint64_t>(tensors.size()) + bytes_of<uint64_t>(metadata.size());
    for (const std::string& one : metadata) all += one;
    for (const std::string& one : tensors) all += one;
    all.resize((all.size() + alignment - 1) / alignment * alignment);
    return all + std::string(data_bytes, '\1');
  }
};

}  // namespace sleb::gguf_files
