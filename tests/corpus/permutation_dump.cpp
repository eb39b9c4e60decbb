// For test_random.py: reads lines "SEED LENGTH" from stdin and prints, for each, the SHA-256 of numpy_permutation(SEED,
// LENGTH) as little-endian int64.
#include <cstdio>
#include <iostream>
#include <span>

#include "sleb/base/random.h"
#include "sleb/base/sha256.h"

int main() {
  uint64_t seed = 0;
  int64_t length = 0;
  while (std::cin >> seed >> length) {
    const std::vector<int64_t> order = sleb::numpy_permutation(seed, length);
    std::puts(sleb::sha256_hex(std::as_bytes(std::span(order))).c_str());
  }
  return std::cin.eof() ? 0 : 2;
}
