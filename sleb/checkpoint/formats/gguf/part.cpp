#include "sleb/checkpoint/formats/gguf/part.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstring>
#include <type_traits>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"
#include "sleb/checkpoint/formats/gguf/type_numbers.h"

namespace sleb {
namespace {

constexpr uint64_t default_alignment = 32;
constexpr uint32_t most_gguf_dimensions = 4;            // GGML_MAX_DIMS
constexpr uint64_t least_metadata_bytes = 8 + 4 + 1;    // key length, value type, value
constexpr uint64_t least_tensor_bytes = 8 + 4 + 4 + 8;  // name length, dimensions, type, offset

using enum GgufValueType;

// Reads forward through the bytes, never past their end. `place` is where in the file the caller is, for messages.
class Cursor {
 public:
  explicit Cursor(Bytes bytes) : bytes_(bytes) {}

  uint64_t position() const { return position_; }
  uint64_t remaining() const { return bytes_.size() - position_; }

  template <typename Number>
  Number read(const std::string& place) {
    if (remaining() < sizeof(Number)) bad_input("{}: the file ends inside it", place);
    Number number;
    std::memcpy(&number, bytes_.data() + position_, sizeof(Number));
    position_ += sizeof(Number);
    return number;
  }

  // A number of things of at least `least_bytes` each.
  uint64_t read_count(uint64_t least_bytes, const std::string& place) {
    const auto count = read<uint64_t>(place);
    if (count > remaining() / least_bytes) {
      bad_input("{}: a count of {}, for which the file's remaining {} bytes are too few", place, count, remaining());
    }
    return count;
  }

  std::string read_string(const std::string& place) {
    const uint64_t length = read_count(1, place);
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + position_, length);
    if (!is_valid_utf8(text)) bad_input("{}: a string is not UTF-8", place);
    position_ += length;
    return std::string(text);
  }

 private:
  Bytes bytes_;
  uint64_t position_ = 0;
};

bool read_boolean(Cursor& cursor, const std::string& place) {
  const auto byte = cursor.read<uint8_t>(place);
  if (byte > 1) bad_input("{}: {} is not a boolean (0 or 1)", place, byte);
  return byte == 1;
}

// One value, widened as GgufValue says.
template <typename Value>
auto read_scalar(Cursor& cursor, const std::string& place) {
  if constexpr (std::same_as<Value, std::string>) {
    return cursor.read_string(place);
  } else if constexpr (std::same_as<Value, bool>) {
    return read_boolean(cursor, place);
  } else if constexpr (std::floating_point<Value>) {
    return double{cursor.read<Value>(place)};
  } else if constexpr (std::unsigned_integral<Value>) {
    return uint64_t{cursor.read<Value>(place)};
  } else {
    return int64_t{cursor.read<Value>(place)};
  }
}

template <typename Value>
constexpr uint64_t least_bytes = std::same_as<Value, std::string> ? sizeof(uint64_t) : sizeof(Value);

template <typename Value>
auto read_array(Cursor& cursor, const std::string& place) {
  using Wide = decltype(read_scalar<Value>(cursor, place));
  using Element = std::conditional_t<std::same_as<Wide, uint64_t>, int64_t, Wide>;
  const uint64_t count = cursor.read_count(least_bytes<Value>, place);
  std::vector<Element> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    auto value = read_scalar<Value>(cursor, place);
    if constexpr (std::same_as<Value, uint64_t>) {
      if (!std::in_range<int64_t>(value)) bad_input("{}: element {} is {}, which is too large", place, i, value);
    }
    values.push_back(static_cast<Element>(std::move(value)));
  }
  return values;
}

GgufValue read_value(Cursor& cursor, const std::string& place) {
  auto type = static_cast<GgufValueType>(cursor.read<uint32_t>(place));
  const bool is_array = type == array;
  if (is_array) type = static_cast<GgufValueType>(cursor.read<uint32_t>(place));
  const auto read = [&]<typename Value>() -> GgufValue {
    if (is_array) return read_array<Value>(cursor, place);
    return read_scalar<Value>(cursor, place);
  };
  switch (type) {
    case u8:
      return read.operator()<uint8_t>();
    case i8:
      return read.operator()<int8_t>();
    case u16:
      return read.operator()<uint16_t>();
    case i16:
      return read.operator()<int16_t>();
    case u32:
      return read.operator()<uint32_t>();
    case i32:
      return read.operator()<int32_t>();
    case f32:
      return read.operator()<float>();
    case boolean:
      return read.operator()<bool>();
    case string:
      return read.operator()<std::string>();
    case array:
      bad_input("{}: arrays of arrays are not supported", place);
    case u64:
      return read.operator()<uint64_t>();
    case i64:
      return read.operator()<int64_t>();
    case f64:
      return read.operator()<double>();
    default:
      bad_input("{}: unknown value type {}", place, static_cast<uint32_t>(type));
  }
}

void read_metadata(Cursor& cursor, uint64_t count, GgufPart& part) {
  for (uint64_t i = 0; i < count; ++i) {
    std::string key = cursor.read_string(fmt::format("{}: key of metadata {}", part.label, i));
    const std::string place = metadata_place(part.label, key);
    if (part.metadata.contains(key)) bad_input("{}: given twice", place);
    const uint64_t begin = cursor.position();
    GgufValue value = read_value(cursor, place);
    part.encoded.push_back({key, part.file.bytes().subspan(begin, cursor.position() - begin)});
    part.metadata.emplace(std::move(key), std::move(value));
  }
}

// A tensor whose data is not yet found: it begins `offset` bytes into the data.
struct DescribedTensor {
  StoredTensor tensor;
  uint64_t offset;
  std::string place;
};

StoredType read_type(Cursor& cursor, const std::string& place) {
  const auto number = cursor.read<uint32_t>(place);
  if (number >= ggml_type_names.size()) bad_input("{}: unknown tensor type {}", place, number);
  const std::string_view name = ggml_type_names[number];
  const std::optional<StoredType> type = type_named(name);
  const bool is_known = type && !is_integer(*type);
  if (!is_known) bad_input("{}: type {} is not supported; requantize the model to Q8_0, for example", place, name);
  return *type;
}

DescribedTensor read_tensor(Cursor& cursor, uint64_t index, const std::string& label) {
  StoredTensor tensor{.name = cursor.read_string(fmt::format("{}: name of tensor {}", label, index)),
                      .type = {},
                      .shape = {},
                      .data = {}};
  const std::string place = fmt::format("{}: tensor {}", label, quote(tensor.name));
  const auto dimensions = cursor.read<uint32_t>(place);
  if (dimensions > most_gguf_dimensions)
    bad_input("{}: {} dimensions (at most {})", place, dimensions, most_gguf_dimensions);
  for (uint32_t i = 0; i < dimensions; ++i) {
    const auto dimension = cursor.read<uint64_t>(place);
    if (!std::in_range<int64_t>(dimension)) bad_input("{}: a dimension of {} is too large", place, dimension);
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(dimension));
  }
  if (!count_elements(tensor.shape)) bad_input("{}: shape {} is too large", place, tensor.shape);
  tensor.type = read_type(cursor, place);
  const int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (row % elements_per_block(tensor.type) != 0) {
    bad_input("{}: rows of {} elements are not whole {} blocks of {}", place, row, name_of(tensor.type),
              elements_per_block(tensor.type));
  }
  const auto offset = cursor.read<uint64_t>(place);
  return {std::move(tensor), offset, place};
}

uint64_t align_up(uint64_t position, uint64_t alignment) {
  return (position + alignment - 1) & ~(alignment - 1);
}

// As ggml's own reader demands: tensors lie in the order of their descriptions, each at the next aligned offset.
void place_data(std::vector<DescribedTensor>& described, Bytes data, uint64_t alignment) {
  uint64_t expected = 0;
  for (auto& [tensor, offset, place] : described) {
    if (offset % alignment != 0)
      bad_input("{}: its data's offset {} is not a multiple of {}", place, offset, alignment);
    if (offset != expected) bad_input("{}: its data's offset is {}, where {} follows", place, offset, expected);
    const uint64_t bytes = encoded_bytes(tensor.type, tensor.elements());
    if (offset > data.size() || bytes > data.size() - offset) {
      bad_input("{}: its {} bytes of data at {} end past the {} that the file holds: cut short?", place, bytes, offset,
                data.size());
    }
    tensor.data = data.subspan(offset, bytes);
    expected = align_up(offset + bytes, alignment);
  }
}

uint32_t read_version(Cursor& cursor, const std::string& label) {
  const auto magic = cursor.read<std::array<char, 4>>(label + ": header");
  if (std::string_view(magic.data(), magic.size()) != "GGUF") bad_input("{}: not a GGUF file", label);
  const auto version = cursor.read<uint32_t>(label + ": header");
  if (version != 0 && (version & 0xffffU) == 0)
    bad_input("{}: a big-endian GGUF file; convert it to little-endian", label);
  if (version != 2 && version != 3) bad_input("{}: GGUF version {} is not supported (2 and 3 are)", label, version);
  return version;
}

}  // namespace

std::string metadata_place(const std::string& label, std::string_view key) {
  return fmt::format("{}: metadata {}", label, quote(key));
}

uint64_t alignment_of(const GgufMetadata& metadata, const std::string& label) {
  const int64_t alignment = find_integer(metadata, "general.alignment", label).value_or(default_alignment);
  if (alignment <= 0 || !std::has_single_bit(static_cast<uint64_t>(alignment))) {
    bad_input("{}: {} is not a power of two", metadata_place(label, "general.alignment"), alignment);
  }
  return static_cast<uint64_t>(alignment);
}

std::optional<int64_t> find_integer(const GgufMetadata& metadata, const std::string& key, const std::string& label) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return {};
  if (const auto* value = std::get_if<int64_t>(&found->second)) return *value;
  const auto* value = std::get_if<uint64_t>(&found->second);
  if (value == nullptr) bad_input("{}: not an integer", metadata_place(label, key));
  if (!std::in_range<int64_t>(*value)) bad_input("{}: {} is too large", metadata_place(label, key), *value);
  return static_cast<int64_t>(*value);
}

GgufValue decode_gguf_value(Bytes encoded, const std::string& place) {
  Cursor cursor(encoded);
  GgufValue value = read_value(cursor, place);
  if (cursor.remaining() > 0) bad_input("{}: {} bytes follow its value", place, cursor.remaining());
  return value;
}

GgufPart read_gguf_part(const std::filesystem::path& path) {
  GgufPart part{.file = MappedFile(path), .label = path.string()};
  Cursor cursor(part.file.bytes());
  part.version = read_version(cursor, part.label);
  const uint64_t tensor_count = cursor.read_count(least_tensor_bytes, part.label + ": number of tensors");
  const uint64_t metadata_count = cursor.read_count(least_metadata_bytes, part.label + ": number of metadata");
  read_metadata(cursor, metadata_count, part);
  std::vector<DescribedTensor> described;
  for (uint64_t i = 0; i < tensor_count; ++i) described.push_back(read_tensor(cursor, i, part.label));

  const uint64_t alignment = alignment_of(part.metadata, part.label);
  const Bytes bytes = part.file.bytes();
  const uint64_t begin = align_up(cursor.position(), alignment);
  place_data(described, bytes.subspan(std::min<uint64_t>(begin, bytes.size())), alignment);
  for (auto& [tensor, offset, place] : described) {
    const std::string name = tensor.name;
    part.tensor_names.push_back(name);
    if (!part.tensors.emplace(name, std::move(tensor)).second) bad_input("{}: described twice", place);
  }
  return part;
}

}  // namespace sleb
