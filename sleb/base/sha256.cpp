#include "sleb/base/sha256.h"

#include <openssl/evp.h>

#include <array>

#include "sleb/base/error.h"

namespace sleb {

std::string sha256_hex(Bytes bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    failed("SHA-256: OpenSSL refuses it; a FIPS configuration without it, or no memory");
  }
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace sleb
