#include "sleb/checkpoint/formats/safetensors.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "sleb/base/error.h"
#include "sleb/base/json.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t largest_header = 100'000'000;  // as the format's own reader
constexpr uint64_t largest_index = 100'000'000;
constexpr size_t most_dimensions = 64;
constexpr const char* metadata_key = "__metadata__";
constexpr const char* index_name = "model.safetensors.index.json";

struct Dtype {
  std::string_view name;
  uint64_t bytes;  // of one element
  StoredType type;
};

constexpr std::array dtypes = {
    Dtype{"F32", 4, StoredType::f32},         Dtype{"F64", 8, StoredType::f64},
    Dtype{"F16", 2, StoredType::f16},         Dtype{"BF16", 2, StoredType::bf16},
    Dtype{"F8_E4M3", 1, StoredType::f8_e4m3}, Dtype{"F8_E5M2", 1, StoredType::f8_e5m2},
    Dtype{"I64", 8, StoredType::i64},         Dtype{"I32", 4, StoredType::i32},
    Dtype{"I16", 2, StoredType::i16},         Dtype{"I8", 1, StoredType::i8},
    Dtype{"U64", 8, StoredType::u64},         Dtype{"U32", 4, StoredType::u32},
    Dtype{"U16", 2, StoredType::u16},         Dtype{"U8", 1, StoredType::u8},
    Dtype{"BOOL", 1, StoredType::boolean},
};

// A tensor as the header describes it: bytes [begin, end) of the data.
struct Entry {
  std::string name;
  const Dtype* dtype;
  std::vector<int64_t> shape;
  uint64_t begin;
  uint64_t end;
};

std::string tensor_place(const std::string& label, std::string_view name) {
  return fmt::format("{}: tensor {}", label, quote(name));
}

// The header's text. What follows it in the file is the data.
std::string_view header_text(std::string_view file, const std::string& label) {
  uint64_t length = 0;
  if (file.size() < sizeof(length)) bad_input("{}: {} bytes are too few for a safetensors file", label, file.size());
  std::memcpy(&length, file.data(), sizeof(length));
  file.remove_prefix(sizeof(length));
  if (length > largest_header) {
    bad_input("{}: a header of {} bytes (at most {}): not a safetensors file", label, length, largest_header);
  }
  if (length > file.size()) {
    bad_input("{}: a header of {} bytes, but the file ends after {}: cut short?", label, length, file.size());
  }
  const std::string_view header = file.substr(0, length);
  if (!header.starts_with('{')) bad_input("{}: the header does not begin with '{{': not a safetensors file", label);
  return header;
}

void check_metadata(const JsonView& metadata) {
  if (!metadata.is_object()) metadata.fail("expected an object");
  for (const auto& [key, value] : metadata.raw().items()) {
    if (!value.is_string()) metadata.fail(fmt::format("{} is not a string", quote(key)));
  }
}

const Dtype& parse_dtype(const JsonView& tensor) {
  const std::string& name = tensor.at("dtype").string();
  const auto found = std::find_if(dtypes.begin(), dtypes.end(), [&](const Dtype& dtype) { return dtype.name == name; });
  if (found == dtypes.end()) {
    tensor.fail(fmt::format("dtype {} is not supported (F64, F32, F16, BF16, F8_E4M3 and F8_E5M2 are)", quote(name)));
  }
  return *found;
}

Entry parse_entry(const std::string& name, const JsonView& tensor) {
  if (!tensor.is_object()) tensor.fail("expected an object");
  Entry entry{.name = name, .dtype = &parse_dtype(tensor), .shape = {}, .begin = 0, .end = 0};

  const JsonView shape = tensor.at("shape");
  if (shape.size() > most_dimensions) tensor.fail(fmt::format("{} dimensions are too many", shape.size()));
  for (size_t i = 0; i < shape.size(); ++i) entry.shape.push_back(shape.at(i).integer(0));
  const std::optional<int64_t> elements = count_elements(entry.shape);
  if (!elements) tensor.fail(fmt::format("shape {} is too large", entry.shape));

  const JsonView offsets = tensor.at("data_offsets");
  if (offsets.size() != 2) tensor.fail(fmt::format("{} data offsets, not 2", offsets.size()));
  entry.begin = static_cast<uint64_t>(offsets.at(0).integer(0));
  entry.end = static_cast<uint64_t>(offsets.at(1).integer(0));
  if (entry.end < entry.begin)
    tensor.fail(fmt::format("data ends at {}, before it begins at {}", entry.end, entry.begin));
  // At most 2^60 elements of 8 bytes: 2^63, which is too large for an int64_t.
  const auto needed = static_cast<uint64_t>(*elements) * entry.dtype->bytes;
  if (entry.end - entry.begin != needed) {
    tensor.fail(fmt::format("{} of shape {} needs {} bytes, but its data offsets span {}", entry.dtype->name,
                            entry.shape, needed, entry.end - entry.begin));
  }
  return entry;
}

// In the order of their data.
std::vector<Entry> parse_header(std::string_view header, const std::string& label) {
  const Json document = parse_json(header, label);
  std::vector<Entry> entries;
  for (const auto& [name, value] : document.items()) {
    if (name == metadata_key) {
      check_metadata(JsonView(value, fmt::format("{}: {}", label, metadata_key)));
    } else {
      entries.push_back(parse_entry(name, JsonView(value, tensor_place(label, name))));
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  return entries;
}

// As the format demands: the tensors cover the data, without overlap and without holes.
void check_coverage(const std::vector<Entry>& entries, uint64_t data_bytes, const std::string& label) {
  uint64_t covered = 0;
  for (const Entry& entry : entries) {
    const std::string place = tensor_place(label, entry.name);
    if (entry.begin < covered) bad_input("{}: its data at {} overlaps another tensor's", place, entry.begin);
    if (entry.begin > covered) bad_input("{}: {} unused bytes before its data", place, entry.begin - covered);
    if (entry.end > data_bytes) {
      bad_input("{}: its data ends at {}, but the file holds {} bytes of data: cut short?", place, entry.end,
                data_bytes);
    }
    covered = entry.end;
  }
  if (covered != data_bytes) bad_input("{}: {} bytes after the last tensor's data", label, data_bytes - covered);
}

// For each shard's file name, the tensors that the index puts there.
std::map<std::string, std::set<std::string>> read_index(const fs::path& path) {
  const std::string label = path.string();
  const Json document = parse_json(read_file(path, largest_index), label);
  const JsonView weight_map = JsonView(document, label).at("weight_map");
  if (!weight_map.is_object()) weight_map.fail("expected an object");
  std::map<std::string, std::set<std::string>> shards;
  for (const auto& [name, shard] : weight_map.raw().items()) {
    shards[JsonView(shard, tensor_place(label, name)).string()].insert(name);
  }
  if (shards.empty()) weight_map.fail("names no tensor");
  return shards;
}

fs::path shard_path(const fs::path& folder, const std::string& shard, const std::string& index_label) {
  const fs::path name(shard);
  const bool climbs = std::any_of(name.begin(), name.end(), [](const fs::path& part) { return part == ".."; });
  if (shard.empty() || shard.find('\0') != shard.npos || name.is_absolute() || climbs) {
    bad_input("{}: shard {} is not a file name inside the folder", index_label, quote(shard));
  }
  fs::path path = folder / name;
  std::error_code error;
  static_cast<void>(fs::status(path, error));
  if (error) bad_input("{}: shard {}: {}", index_label, quote(shard), error.message());
  return path;
}

std::string header_of(const std::vector<TensorLayout>& layout) {
  OrderedJson header = {{metadata_key, {{"format", "pt"}}}};
  uint64_t begin = 0;
  for (const TensorLayout& tensor : layout) {
    const uint64_t end = begin + tensor.bytes();
    header[tensor.name] = {
        {"dtype", name_of(tensor.type)}, {"shape", tensor.shape}, {"data_offsets", std::array{begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

SafetensorsReader SafetensorsReader::open_file(const fs::path& path) {
  SafetensorsReader reader;
  reader.add_file(path);
  return reader;
}

SafetensorsReader SafetensorsReader::open_folder(const fs::path& folder) {
  std::error_code unknown;  // a link that leads nowhere, say: opening it tells
  if (fs::exists(folder / "model.safetensors", unknown) || unknown) return open_file(folder / "model.safetensors");
  const fs::path index = folder / index_name;
  if (!fs::exists(index, unknown) && !unknown) {
    bad_input(
        "{}: holds neither model.safetensors nor {}; convert pytorch_model.bin and other formats to safetensors, "
        "for example by transformers' save_pretrained",
        folder.string(), index_name);
  }
  SafetensorsReader reader;
  for (const auto& [shard, expected] : read_index(index)) {
    const fs::path path = shard_path(folder, shard, index.string());
    const std::set<std::string> held = reader.add_file(path);
    for (const std::string& name : expected) {
      if (!held.contains(name)) bad_input("{}: not in {}", tensor_place(index.string(), name), quote(shard));
    }
    for (const std::string& name : held) {
      if (!expected.contains(name))
        bad_input("{}: {} does not list it for this file", tensor_place(path.string(), name), index_name);
    }
  }
  return reader;
}

std::vector<Bytes> SafetensorsReader::contents() const {
  std::vector<Bytes> contents;
  for (const MappedFile& file : files_) contents.push_back(file.bytes());
  return contents;
}

uint64_t SafetensorsReader::file_bytes() const {
  uint64_t sum = 0;
  for (const MappedFile& file : files_) sum += file.bytes().size();
  return sum;
}

std::set<std::string> SafetensorsReader::add_file(const fs::path& path) {
  const MappedFile& file = files_.emplace_back(path);
  const std::string label = path.string();
  const std::string_view header = header_text(file.text(), label);
  const Bytes data = file.bytes().subspan(sizeof(uint64_t) + header.size());
  const std::vector<Entry> entries = parse_header(header, label);
  check_coverage(entries, data.size(), label);

  std::set<std::string> names;
  for (const Entry& entry : entries) {
    names.insert(entry.name);
    const Bytes bytes = data.subspan(entry.begin, entry.end - entry.begin);
    auto& held = is_integer(entry.dtype->type) ? integers_ : tensors_;
    held.emplace(entry.name, StoredTensor{entry.name, entry.dtype->type, entry.shape, bytes});
  }
  return names;
}

SafetensorsWriter::SafetensorsWriter(const fs::path& path, std::vector<TensorLayout> layout)
    : file_(path), label_(path.string()), layout_(std::move(layout)) {
  for (const TensorLayout& tensor : layout_) {
    if (is_quantized(tensor.type) || tensor.type == StoredType::packed)
      failed("tensor {}: can't be stored as safetensors", quote(tensor.name));
  }
  const std::string header = header_of(layout_);
  const uint64_t length = header.size();
  file_.write(std::as_bytes(std::span(&length, 1)));
  file_.write(header);
}

void SafetensorsWriter::write(Bytes data) {
  if (next_ == layout_.size()) failed("{}: more tensors written than announced", label_);
  const TensorLayout& tensor = layout_[next_++];
  if (data.size() != tensor.bytes()) {
    failed("{}: {} bytes written, {} announced", tensor_place(label_, tensor.name), data.size(), tensor.bytes());
  }
  file_.write(data);
}

void SafetensorsWriter::close() {
  if (next_ != layout_.size()) failed("{}: not written", tensor_place(label_, layout_[next_].name));
  file_.close();
}

}  // namespace sleb
