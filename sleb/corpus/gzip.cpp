#include "sleb/corpus/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <new>
#include <vector>

#include "sleb/base/error.h"

namespace sleb {
namespace {

constexpr size_t piece_size = size_t{1} << 18;
constexpr size_t largest_feed = size_t{1} << 30;  // zlib counts its input in 32 bits
constexpr int gzip_only = 15 + 16;                // zlib.h, inflateInit2: largest window, gzip header required

class Inflater {
 public:
  Inflater(Bytes input, std::string_view label) : input_(input), label_(label), piece_(piece_size) {
    if (inflateInit2(&stream_, gzip_only) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // The next piece, valid until the next call; empty at the end.
  std::string_view next() {
    size_t size = 0;
    while (size == 0 && !finished_) size = step();
    return {piece_.data(), size};
  }

 private:
  // Decompresses as much as one piece holds; the number of bytes made, which can be none.
  size_t step() {
    const size_t feed = std::min(input_.size() - position_, largest_feed);
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input_.data() + position_));
    stream_.avail_in = static_cast<uInt>(feed);
    stream_.next_out = reinterpret_cast<Bytef*>(piece_.data());
    stream_.avail_out = static_cast<uInt>(piece_.size());
    const int status = inflate(&stream_, Z_NO_FLUSH);
    position_ += feed - stream_.avail_in;
    if (status == Z_STREAM_END) {
      begin_member();
    } else if (status == Z_BUF_ERROR) {
      bad_input("{}: gzip stream is cut off at byte {}; fetch the file again", label_, input_.size());
    } else if (status == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (status != Z_OK) {
      bad_input("{}: broken gzip stream near byte {}: {}", label_, position_,
                stream_.msg != nullptr ? stream_.msg : "it needs a dictionary");
    }
    return piece_.size() - stream_.avail_out;
  }

  // After a member: another one, or the end.
  void begin_member() {
    const size_t member_end = position_;
    while (position_ < input_.size() && input_[position_] == std::byte{0}) ++position_;
    finished_ = position_ == input_.size();
    if (finished_) return;
    const bool is_gzip = input_.size() - position_ >= 2 && input_[position_] == std::byte{0x1f} &&
                         input_[position_ + 1] == std::byte{0x8b};
    if (!is_gzip) bad_input("{}: other bytes follow the gzip stream, which ends at byte {}", label_, member_end);
    inflateReset(&stream_);
  }

  Bytes input_;
  std::string_view label_;
  std::vector<char> piece_;
  z_stream stream_ = {};
  size_t position_ = 0;  // bytes of input_ read
  bool finished_ = false;
};

}  // namespace

void read_gzip(Bytes compressed, std::string_view label, uint64_t limit,
               const std::function<void(std::string_view piece)>& take) {
  Inflater inflater(compressed, label);
  uint64_t total = 0;
  for (std::string_view piece = inflater.next(); !piece.empty(); piece = inflater.next()) {
    total += piece.size();
    if (total > limit) {
      bad_input("{}: decompresses to more than {} bytes, the most that is read; split the file", label, limit);
    }
    if (total > gzip_ratio_checked_from && total / gzip_ratio_limit > compressed.size()) {
      bad_input("{}: {} bytes swell to more than {} times as many: no text does; decompress the file if it is meant so",
                label, compressed.size(), gzip_ratio_limit);
    }
    take(piece);
  }
}

}  // namespace sleb
