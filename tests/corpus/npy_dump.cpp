// For test_npy.py: npy_dump FILE... prints a line for each file, its number of ids and the SHA-256 of the ids as
// little-endian int64, or what is wrong with it.
#include <cstdio>
#include <span>

#include "sleb/base/error.h"
#include "sleb/base/sha256.h"
#include "sleb/corpus/corpus.h"

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    try {
      const std::vector<int64_t> ids = sleb::read_npy_ids(argv[i]);
      std::printf("%zu %s\n", ids.size(), sleb::sha256_hex(std::as_bytes(std::span(ids))).c_str());
    } catch (const sleb::Error& error) {
      std::printf("error: %s\n", error.what());
    }
  }
}
