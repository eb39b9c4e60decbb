// Models of SentencePiece written by hand, for tests: Protocol Buffers, byte for byte.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace sleb::test_model {

inline std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
inline std::string number(uint32_t field, uint64_t value) {
  return varint(field << 3) + varint(value);
}
inline std::string bytes_field(uint32_t field, std::string_view content) {
  return varint(field << 3 | 2) + varint(content.size()) + std::string(content);
}
inline std::string floating(uint32_t field, float value) {
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return varint(field << 3 | 5) + bytes;
}

inline std::string piece(std::string_view text, float score = 0, uint64_t type = 1) {
  return bytes_field(1, bytes_field(1, text) + floating(2, score) + number(3, type));
}
inline std::string unknown_piece() {
  return piece("<unk>", 0, 2);
}
// `more`: other fields of the message.
inline std::string trainer(uint64_t model_type, const std::string& more = "") {
  return bytes_field(2, number(3, model_type) + more);
}
struct NormalizerFields {
  std::string charsmap = {};
  bool dummy_prefix = false;
  bool extra_whitespaces = false;
  bool escape = true;
};
inline std::string normalizer(const NormalizerFields& fields) {
  return bytes_field(3, bytes_field(2, fields.charsmap) + number(3, fields.dummy_prefix) +
                            number(4, fields.extra_whitespaces) + number(5, fields.escape));
}
inline std::string u32(uint32_t value) {
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

}  // namespace sleb::test_model
