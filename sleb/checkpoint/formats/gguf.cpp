#include "sleb/checkpoint/formats/gguf.h"

#include <cmath>

#include "sleb/base/error.h"
#include "sleb/checkpoint/formats/gguf/split.h"

namespace sleb {

GgufFile::GgufFile(const std::filesystem::path& path) {
  std::vector<GgufPart> parts = read_gguf_parts(path);
  label_ = parts[0].label;
  version_ = parts[0].version;
  metadata_ = std::move(parts[0].metadata);
  encoded_ = std::move(parts[0].encoded);
  for (GgufPart& part : parts) {
    tensors_.merge(part.tensors);
    tensor_names_.insert(tensor_names_.end(), part.tensor_names.begin(), part.tensor_names.end());
    files_.push_back(std::move(part.file));
  }
}

GgufFile::GgufFile(std::string label, GgufMetadata metadata, std::map<std::string, StoredTensor> tensors)
    : label_(std::move(label)), metadata_(std::move(metadata)), tensors_(std::move(tensors)) {}

uint64_t GgufFile::file_bytes() const {
  uint64_t sum = 0;
  for (const MappedFile& file : files_) sum += file.bytes().size();
  return sum;
}

std::vector<Bytes> GgufFile::contents() const {
  std::vector<Bytes> contents;
  for (const MappedFile& file : files_) contents.push_back(file.bytes());
  return contents;
}

template <typename Value>
const Value* GgufFile::find(const std::string& key, std::string_view kind) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return nullptr;
  const Value* value = std::get_if<Value>(&found->second);
  if (value == nullptr) bad_input("{}: not {}", metadata_place(label_, key), kind);
  return value;
}

template <typename Value>
const Value& GgufFile::at(const std::string& key, std::string_view kind) const {
  const Value* value = find<Value>(key, kind);
  if (value == nullptr) bad_input("{}: missing", metadata_place(label_, key));
  return *value;
}

int64_t GgufFile::integer(const std::string& key) const {
  const std::optional<int64_t> value = find_integer(key);
  if (!value) bad_input("{}: missing", metadata_place(label_, key));
  return *value;
}

std::optional<int64_t> GgufFile::find_integer(const std::string& key) const {
  return sleb::find_integer(metadata_, key, label_);
}

std::optional<double> GgufFile::find_number(const std::string& key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return {};
  if (const auto* value = std::get_if<uint64_t>(&found->second)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<int64_t>(&found->second)) return static_cast<double>(*value);
  const double value = at<double>(key, "a number");
  if (!std::isfinite(value)) bad_input("{}: not a finite number", metadata_place(label_, key));
  return value;
}

std::optional<bool> GgufFile::find_boolean(const std::string& key) const {
  const auto* value = find<bool>(key, "a boolean");
  return value == nullptr ? std::nullopt : std::optional(*value);
}

std::string GgufFile::string(const std::string& key) const {
  return at<std::string>(key, "a string");
}

std::optional<std::string> GgufFile::find_string(const std::string& key) const {
  const auto* value = find<std::string>(key, "a string");
  return value == nullptr ? std::nullopt : std::optional(*value);
}

const std::vector<std::string>& GgufFile::strings(const std::string& key) const {
  return at<std::vector<std::string>>(key, "an array of strings");
}

const std::vector<int64_t>& GgufFile::integers(const std::string& key) const {
  return at<std::vector<int64_t>>(key, "an array of integers");
}

}  // namespace sleb
