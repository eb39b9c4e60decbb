#include "sleb/checkpoint/formats/gguf/writer.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "sleb/base/error.h"
#include "sleb/checkpoint/formats/gguf/type_numbers.h"

namespace sleb {
namespace {

template <typename Number>
void append(std::string& out, Number number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  out.append(bytes, sizeof number);
}

void append_text(std::string& out, std::string_view text) {
  append(out, uint64_t{text.size()});
  out.append(text);
}

std::string beginning_with(GgufValueType type) {
  std::string out;
  append(out, type);
  return out;
}

template <typename Number>
std::string scalar(GgufValueType type, Number number) {
  std::string out = beginning_with(type);
  append(out, number);
  return out;
}

std::string array_of(GgufValueType type, uint64_t count) {
  std::string out = beginning_with(GgufValueType::array);
  append(out, type);
  append(out, count);
  return out;
}

template <typename Number, typename Values>
std::string array_of_numbers(GgufValueType type, const Values& values) {
  std::string out = array_of(type, values.size());
  for (const auto value : values) append(out, static_cast<Number>(value));
  return out;
}

// Bytes of a number of that type; 0 for what has no fixed size.
size_t width_of(GgufValueType type) {
  switch (type) {
    case GgufValueType::u8:
    case GgufValueType::i8:
    case GgufValueType::boolean:
      return 1;
    case GgufValueType::u16:
    case GgufValueType::i16:
      return 2;
    case GgufValueType::u32:
    case GgufValueType::i32:
    case GgufValueType::f32:
      return 4;
    case GgufValueType::u64:
    case GgufValueType::i64:
    case GgufValueType::f64:
      return 8;
    case GgufValueType::string:
    case GgufValueType::array:
      return 0;
  }
  return 0;
}

template <typename Number>
Number number_at(Bytes bytes, size_t place) {
  Number number;
  std::memcpy(&number, bytes.data() + place, sizeof number);
  return number;
}

std::string header_of(const GgufEntries& entries, const std::vector<TensorLayout>& layout, uint64_t alignment) {
  std::string header = "GGUF";
  append(header, uint32_t{3});
  append(header, uint64_t{layout.size()});
  append(header, uint64_t{entries.size()});
  for (const auto& [key, value] : entries) {
    append_text(header, key);
    header += value;
  }
  uint64_t offset = 0;
  for (const TensorLayout& tensor : layout) {
    append_text(header, tensor.name);
    append(header, static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i > 0; --i) append(header, static_cast<uint64_t>(tensor.shape[i - 1]));
    append(header, ggml_type_number(name_of(tensor.type)));
    append(header, offset);
    offset = (offset + tensor.bytes() + alignment - 1) / alignment * alignment;
  }
  header.resize((header.size() + alignment - 1) / alignment * alignment);
  return header;
}

}  // namespace

namespace gguf_value {

std::string u16(uint16_t number) {
  return scalar(GgufValueType::u16, number);
}

std::string u32(uint32_t number) {
  return scalar(GgufValueType::u32, number);
}

std::string i32(int32_t number) {
  return scalar(GgufValueType::i32, number);
}

std::string f32(float number) {
  return scalar(GgufValueType::f32, number);
}

std::string boolean(bool value) {
  return scalar(GgufValueType::boolean, uint8_t{value});
}

std::string string(std::string_view text) {
  std::string out = beginning_with(GgufValueType::string);
  append_text(out, text);
  return out;
}

std::string booleans(const std::vector<bool>& values) {
  return array_of_numbers<uint8_t>(GgufValueType::boolean, values);
}

std::string i32s(const std::vector<int64_t>& numbers) {
  return array_of_numbers<int32_t>(GgufValueType::i32, numbers);
}

std::string f32s(const std::vector<double>& numbers) {
  return array_of_numbers<float>(GgufValueType::f32, numbers);
}

std::string strings(const std::vector<std::string>& texts) {
  std::string out = array_of(GgufValueType::string, texts.size());
  for (const std::string& text : texts) append_text(out, text);
  return out;
}

std::string elements_of(Bytes array, const std::vector<int64_t>& kept, const std::string& place) {
  constexpr size_t begin = 4 + 4 + 8;  // array, the elements' type, their number
  if (array.size() < begin || number_at<GgufValueType>(array, 0) != GgufValueType::array) {
    bad_input("{}: not an array", place);
  }
  const auto type = number_at<GgufValueType>(array, 4);
  const auto count = number_at<uint64_t>(array, 8);
  std::vector<Bytes> elements;
  size_t at = begin;
  for (uint64_t i = 0; i < count; ++i) {
    size_t size = width_of(type);
    if (size == 0) size = sizeof(uint64_t) + number_at<uint64_t>(array, at);
    elements.push_back(array.subspan(at, size));
    at += size;
  }
  std::string out = array_of(type, kept.size());
  for (const int64_t index : kept) {
    if (static_cast<uint64_t>(index) >= count) bad_input("{}: has no element {}", place, index);
    const Bytes element = elements[static_cast<size_t>(index)];
    out.append(reinterpret_cast<const char*>(element.data()), element.size());
  }
  return out;
}

}  // namespace gguf_value

void set(GgufEntries& entries, std::string_view key, std::string value) {
  const auto found = std::ranges::find(entries, key, &GgufEntry::key);
  if (found != entries.end()) {
    found->value = std::move(value);
  } else {
    entries.push_back({std::string(key), std::move(value)});
  }
}

GgufMetadata decode(const GgufEntries& entries, const std::string& label) {
  GgufMetadata metadata;
  for (const auto& [key, value] : entries) {
    const auto bytes = std::as_bytes(std::span(value.data(), value.size()));
    metadata.emplace(key, decode_gguf_value(bytes, metadata_place(label, key)));
  }
  return metadata;
}

GgufWriter::GgufWriter(const std::filesystem::path& path, const GgufEntries& entries, std::vector<TensorLayout> layout,
                       uint64_t alignment)
    : file_(path), label_(path.string()), layout_(std::move(layout)), alignment_(alignment) {
  for (const TensorLayout& tensor : layout_) {
    if (ggml_type_number(name_of(tensor.type)) == ggml_type_names.size()) {
      failed("{}: tensor {}: GGUF has no type {}", label_, quote(tensor.name), name_of(tensor.type));
    }
  }
  file_.write(header_of(entries, layout_, alignment_));
  finish_full_tensors();
}

void GgufWriter::finish_full_tensors() {
  while (current_ < layout_.size() && written_ == layout_[current_].bytes()) {
    file_.write(std::string((alignment_ - written_ % alignment_) % alignment_, '\0'));
    ++current_;
    written_ = 0;
  }
}

void GgufWriter::write(Bytes data) {
  if (data.empty()) return;
  if (current_ == layout_.size()) failed("{}: more tensors written than announced", label_);
  const TensorLayout& tensor = layout_[current_];
  if (data.size() > tensor.bytes() - written_) {
    failed("{}: tensor {}: more than the {} bytes announced", label_, quote(tensor.name), tensor.bytes());
  }
  file_.write(data);
  written_ += data.size();
  finish_full_tensors();
}

void GgufWriter::close() {
  if (current_ != layout_.size()) failed("{}: tensor {}: not written", label_, quote(layout_[current_].name));
  file_.close();
}

}  // namespace sleb
