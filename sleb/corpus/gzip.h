// Gzip streams (RFC 1952), decompressed piece by piece.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "sleb/base/file.h"

namespace sleb {

// The largest text taken from one compressed file, in bytes: ten times a file of C4, and far below what a crafted file
// of a few megabytes can swell to.
inline constexpr uint64_t gzip_limit = uint64_t{8} << 30;

// A text larger than this must not be more than so many times its compressed size: natural text shrinks to a third, and
// a crafted file to a thousandth.
inline constexpr uint64_t gzip_ratio_limit = 50;
inline constexpr uint64_t gzip_ratio_checked_from = uint64_t{64} << 20;

// Calls `take` with the pieces of the decompressed text, in order. Members one after the other are one text, and zeros
// after a member are padding, as gzip(1) has it. Throws Error(bad_input), beginning with `label`, for what is no gzip
// stream, is cut off, fails its checksum, is followed by other bytes, holds more than `limit` bytes or is packed beyond
// gzip_ratio_limit.
void read_gzip(Bytes compressed, std::string_view label, uint64_t limit,
               const std::function<void(std::string_view piece)>& take);

}  // namespace sleb
