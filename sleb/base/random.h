// numpy's random numbers, to the bit: what Hugging Face datasets' shuffle(seed) is made of.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace sleb {

// numpy.random.default_rng(seed): PCG64 (PCG XSL-RR 128/64, O'Neill 2014, section 6.3.3) seeded through SeedSequence
// (numpy, random/bit_generator.pyx and random/src/pcg64).
class NumpyRandom {
 public:
  // `seed`: any non-negative integer below 2^64.
  explicit NumpyRandom(uint64_t seed) : NumpyRandom({seed}) {}
  // default_rng([...]): streams that have nothing to do with each other.
  NumpyRandom(std::initializer_list<uint64_t> seeds);

  // random(): uniform in [0, 1), of 53 bits.
  double uniform();
  // Uniform in [0, most]: numpy's random_interval, which masks and rejects (Generator.integers() uses Lemire's method).
  uint64_t interval(uint64_t most);

 private:
  using Uint128 = unsigned __int128;

  static Uint128 join(uint64_t high, uint64_t low) { return Uint128{high} << 64 | low; }
  void step() { state_ = state_ * join(2549297995355413924u, 4865540595714422341u) + increment_; }
  uint64_t next64();
  uint32_t next32();

  Uint128 state_ = 0;
  Uint128 increment_ = 0;
  bool has_half_ = false;
  uint32_t half_ = 0;
};

// numpy.random.default_rng(seed).permutation(length): Fisher-Yates from the end with masked-rejection bounded integers
// (Generator.shuffle).
std::vector<int64_t> numpy_permutation(uint64_t seed, int64_t length);

}  // namespace sleb
