// SHA-256 (through OpenSSL's libcrypto), for fingerprints of token ids and files.
#pragma once

#include <string>

#include "sleb/base/file.h"

namespace sleb {

// 64 lower-case hexadecimal digits.
std::string sha256_hex(Bytes bytes);

}  // namespace sleb
