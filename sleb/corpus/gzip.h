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

// Calls `take` with the pieces of the decompressed text, in order. Members one after the other are one text, and zeros
// after a member are padding, as gzip(1) has it. Throws Error(bad_input), beginning with `label`, for what is no gzip
// stream, is cut off, fails its checksum, is followed by other bytes, or holds more than `limit` bytes.
void read_gzip(Bytes compressed, std::string_view label, uint64_t limit,
               const std::function<void(std::string_view piece)>& take);

}  // namespace sleb
