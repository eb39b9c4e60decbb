#include "sleb/base/random.h"

#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <numeric>
#include <utility>

namespace sleb {
namespace {

// numpy/random/bit_generator.pyx, SeedSequence: M. E. O'Neill's seed_seq_fe with a pool of four words.
class SeedSequence {
 public:
  explicit SeedSequence(uint64_t seed) {
    // numpy cuts the seed into as many 32-bit words as it needs and fills the pool up with zeros, so that two words,
    // the upper one possibly zero, are the same seed.
    const Pool entropy = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), 0, 0};
    Hash hash{0x43b0d7e5, 0x931e8875};
    for (size_t i = 0; i < pool_.size(); ++i) pool_[i] = hash(entropy[i]);
    // Every word goes into every other one, so that late bits can reach early ones.
    for (size_t source = 0; source < pool_.size(); ++source) {
      for (size_t target = 0; target < pool_.size(); ++target) {
        if (source != target) pool_[target] = mix(pool_[target], hash(pool_[source]));
      }
    }
  }

  // generate_state(4, numpy.uint64)
  std::array<uint64_t, 4> state() const {
    std::array<uint64_t, 4> words;
    Hash hash{0x8b51f9dd, 0x58f38ded};
    size_t next = 0;
    for (uint64_t& word : words) {
      const uint64_t low = hash(pool_[next++ % pool_.size()]);
      const uint64_t high = hash(pool_[next++ % pool_.size()]);
      word = high << 32 | low;
    }
    return words;
  }

 private:
  using Pool = std::array<uint32_t, 4>;

  // A multiplicative hash whose constant changes with every word.
  struct Hash {
    uint32_t constant;
    const uint32_t multiplier;

    uint32_t operator()(uint32_t value) {
      value ^= constant;
      constant *= multiplier;
      value *= constant;
      return value ^ value >> 16;
    }
  };

  static uint32_t mix(uint32_t x, uint32_t y) {
    const uint32_t result = 0xca01f9ddu * x - 0x4973f715u * y;
    return result ^ result >> 16;
  }

  Pool pool_;
};

// PCG XSL-RR 128/64 (O'Neill 2014, section 6.3.3) as numpy seeds and reads it.
class Pcg64 {
 public:
  explicit Pcg64(uint64_t seed) {
    const std::array<uint64_t, 4> words = SeedSequence(seed).state();
    increment_ = join(words[2], words[3]) << 1 | 1;
    step();
    state_ += join(words[0], words[1]);
    step();
  }

  uint64_t next64() {
    step();
    const auto high = static_cast<uint64_t>(state_ >> 64);
    return std::rotr(high ^ static_cast<uint64_t>(state_), static_cast<int>(high >> 58));
  }

  // The halves of a 64-bit number, the lower one first; 64-bit reads in between leave the kept half alone.
  uint32_t next32() {
    if (has_half_) {
      has_half_ = false;
      return half_;
    }
    const uint64_t both = next64();
    has_half_ = true;
    half_ = static_cast<uint32_t>(both >> 32);
    return static_cast<uint32_t>(both);
  }

  // Uniform in [0, most]: numpy's random_interval, which masks and rejects (Generator.integers() uses Lemire's method).
  uint64_t interval(uint64_t most) {
    if (most == 0) return 0;
    const uint64_t mask = ~uint64_t{0} >> std::countl_zero(most);
    uint64_t value;
    do {
      value = (most <= 0xffffffff ? next32() : next64()) & mask;
    } while (value > most);
    return value;
  }

 private:
  using Uint128 = unsigned __int128;

  static Uint128 join(uint64_t high, uint64_t low) { return Uint128{high} << 64 | low; }
  void step() { state_ = state_ * join(2549297995355413924u, 4865540595714422341u) + increment_; }

  Uint128 state_ = 0;
  Uint128 increment_ = 0;
  bool has_half_ = false;
  uint32_t half_ = 0;
};

}  // namespace

std::vector<int64_t> numpy_permutation(uint64_t seed, int64_t length) {
  assert(length >= 0);
  std::vector<int64_t> order(static_cast<size_t>(length));
  std::iota(order.begin(), order.end(), int64_t{0});
  Pcg64 generator(seed);
  for (size_t i = order.size(); i-- > 1;) std::swap(order[i], order[generator.interval(i)]);
  return order;
}

}  // namespace sleb
