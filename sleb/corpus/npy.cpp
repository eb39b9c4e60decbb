// The .npy format: numpy.lib.format's module documentation, versions 1.0, 2.0 and 3.0. They differ in the width of the
// header's length and in the header's encoding, which is ASCII for what is accepted here.
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/corpus/corpus.h"

namespace sleb {
namespace {

// numpy.load refuses longer ones too; an array of plain integers needs a hundred.
constexpr size_t longest_header = 10000;

struct NpyHeader {
  std::string dtype;
  bool fortran_order;
  std::vector<int64_t> shape;
};

// Reads the header, a Python dict such as {'descr': '<i8', 'fortran_order': False, 'shape': (3, 4), }.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, std::string label) : text_(text), label_(std::move(label)) {}

  NpyHeader read() {
    std::optional<std::string> dtype;
    std::optional<bool> fortran_order;
    std::optional<std::vector<int64_t>> shape;
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && !dtype) {
        dtype = read_dtype();
      } else if (key == "fortran_order" && !fortran_order) {
        fortran_order = read_boolean();
      } else if (key == "shape" && !shape) {
        shape = read_shape();
      } else {
        fail("key \"" + key + "\" is not known, or there twice");
      }
      if (accept(',')) continue;
      expect('}');
      break;
    }
    skip_blanks();
    if (position_ != text_.size()) fail("expected nothing after the dictionary");
    if (!dtype || !fortran_order || !shape) fail("needs descr, fortran_order and shape");
    return {*dtype, *fortran_order, *shape};
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    bad_input("{}: .npy header: {} (character {})", label_, what, position_);
  }

  void skip_blanks() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) ++position_;
  }

  bool accept(char wanted) {
    skip_blanks();
    if (position_ == text_.size() || text_[position_] != wanted) return false;
    ++position_;
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted)) fail(fmt::format("expected '{}'", wanted));
  }

  std::string quoted() {
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'') expect('\'');
    const size_t end = text_.find(quote, position_);
    if (end == text_.npos) fail("a string without its end");
    const std::string_view content = text_.substr(position_, end - position_);
    for (char c : content) {
      if (c < ' ' || c > '~' || c == '\\') fail("a string with unusual characters");
    }
    position_ = end + 1;
    return std::string(content);
  }

  std::string read_dtype() {
    skip_blanks();
    if (text_.substr(position_).starts_with('[')) fail("a structured dtype; ids are plain integers");
    return quoted();
  }

  bool read_boolean() {
    skip_blanks();
    for (std::string_view word : {"True", "False"}) {
      if (!text_.substr(position_).starts_with(word)) continue;
      position_ += word.size();
      return word == "True";
    }
    fail("expected True or False");
  }

  std::vector<int64_t> read_shape() {
    std::vector<int64_t> sizes;
    expect('(');
    while (!accept(')')) {
      sizes.push_back(read_size());
      if (accept(',')) continue;
      expect(')');
      break;
    }
    return sizes;
  }

  int64_t read_size() {
    skip_blanks();
    const size_t begin = position_;
    int64_t value = 0;
    for (; position_ < text_.size() && text_[position_] >= '0' && text_[position_] <= '9'; ++position_) {
      if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text_[position_] - '0', &value)) {
        fail("a size of 2^63 or more");
      }
    }
    if (position_ == begin) fail("expected a size");
    return value;
  }

  std::string_view text_;
  std::string label_;
  size_t position_ = 0;
};

struct NpyFile {
  NpyHeader header;
  Bytes data;
};

NpyFile split(Bytes file, const std::string& label) {
  constexpr std::string_view magic = "\x93NUMPY";
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (!text.starts_with(magic)) bad_input("{}: not a .npy file", label);
  if (text.size() < magic.size() + 2) bad_input("{}: .npy file is cut off in its version", label);
  const int major = static_cast<unsigned char>(text[6]);
  const int minor = static_cast<unsigned char>(text[7]);
  if (major < 1 || major > 3 || minor != 0) {
    bad_input("{}: .npy version {}.{} is not known; 1.0, 2.0 and 3.0 are", label, major, minor);
  }
  const size_t length_size = major == 1 ? 2 : 4;
  const size_t begin = magic.size() + 2 + length_size;
  if (text.size() < begin) bad_input("{}: .npy file is cut off in its header's length", label);
  uint32_t length = 0;
  std::memcpy(&length, text.data() + begin - length_size, length_size);
  if (length > text.size() - begin) {
    bad_input("{}: .npy header of {} bytes, but the file ends {} bytes after its begin", label, length,
              text.size() - begin);
  }
  if (length > longest_header) {
    bad_input("{}: .npy header of {} bytes; plain integers need no more than {}", label, length, longest_header);
  }
  const std::string_view header = text.substr(begin, length);
  if (!header.ends_with('\n')) bad_input("{}: .npy header does not end with a newline", label);
  return {HeaderReader(header, label).read(), file.subspan(begin + length)};
}

// The number of elements, which `data_size` bytes must hold exactly.
size_t checked_count(const NpyHeader& header, size_t data_size, size_t item_size, const std::string& label) {
  std::string shape;
  for (int64_t size : header.shape) shape += fmt::format("{}{}", shape.empty() ? "" : ", ", size);
  if (header.shape.empty() || header.shape.size() > 2) {
    bad_input("{}: shape ({}); ids have one dimension or two", label, shape);
  }
  uint64_t bytes = item_size;
  bool overflows = false;
  for (int64_t size : header.shape) overflows |= __builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes);
  if (overflows || bytes != data_size) {
    bad_input("{}: {} bytes of data do not fit shape ({}) of {}-byte elements", label, data_size, shape, item_size);
  }
  return data_size / item_size;
}

template <typename Integer>
std::vector<int64_t> widened(const NpyFile& file, const std::string& label) {
  std::vector<int64_t> ids(checked_count(file.header, file.data.size(), sizeof(Integer), label));
  for (size_t i = 0; i < ids.size(); ++i) {
    Integer id;
    std::memcpy(&id, file.data.data() + i * sizeof(Integer), sizeof(Integer));
    if constexpr (std::is_signed_v<Integer>) {
      if (id < 0) bad_input("{}: element {} is {}; ids are not negative", label, i, id);
    }
    ids[i] = id;
  }
  return ids;
}

}  // namespace

std::vector<int64_t> read_npy_ids(const std::filesystem::path& path) {
  const MappedFile mapped(path);
  const std::string label = path.string();
  const NpyFile file = split(mapped.bytes(), label);
  if (file.header.fortran_order) {
    bad_input("{}: Fortran order; save it with numpy.ascontiguousarray(ids)", label);
  }
  const std::string& dtype = file.header.dtype;
  if (dtype == "<i8") return widened<int64_t>(file, label);
  if (dtype == "<i4") return widened<int32_t>(file, label);
  if (dtype == "<u4") return widened<uint32_t>(file, label);
  if (dtype == "<u2") return widened<uint16_t>(file, label);
  bad_input("{}: dtype {} is not read; ids are <i4, <i8, <u2 or <u4: save it with ids.astype('<i8')", label, dtype);
}

}  // namespace sleb
