#include "sleb/base/random.h"

#include <algorithm>
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
  explicit SeedSequence(std::initializer_list<uint64_t> seeds) {
    // numpy cuts each seed into as many 32-bit words as it needs, at least one, and fills the pool up with zeros.
    std::vector<uint32_t> entropy;
    for (const uint64_t seed : seeds) {
      entropy.push_back(static_cast<uint32_t>(seed));
      if (seed >> 32 != 0) entropy.push_back(static_cast<uint32_t>(seed >> 32));
    }
    entropy.resize(std::max(entropy.size(), pool_.size()));
    Hash hash{0x43b0d7e5, 0x931e8875};
    for (size_t i = 0; i < pool_.size(); ++i) pool_[i] = hash(entropy[i]);
    // Every word goes into every other one, so that late bits can reach early ones.
    for (size_t source = 0; source < pool_.size(); ++source) {
      for (size_t target = 0; target < pool_.size(); ++target) {
        if (source != target) pool_[target] = mix(pool_[target], hash(pool_[source]));
      }
    }
    for (size_t more = pool_.size(); more < entropy.size(); ++more) {
      for (uint32_t& word : pool_) word = mix(word, hash(entropy[more]));
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

}  // namespace

NumpyRandom::NumpyRandom(std::initializer_list<uint64_t> seeds) {
  const std::array<uint64_t, 4> words = SeedSequence(seeds).state();
  increment_ = join(words[2], words[3]) << 1 | 1;
  step();
  state_ += join(words[0], words[1]);
  step();
}

uint64_t NumpyRandom::next64() {
  step();
  const auto high = static_cast<uint64_t>(state_ >> 64);
  return std::rotr(high ^ static_cast<uint64_t>(state_), static_cast<int>(high >> 58));
}

// The halves of a 64-bit number, the lower one first; 64-bit reads in between leave the kept half alone.
uint32_t NumpyRandom::next32() {
  if (has_half_) {
    has_half_ = false;
    return half_;
  }
  const uint64_t both = next64();
  has_half_ = true;
  half_ = static_cast<uint32_t>(both >> 32);
  return static_cast<uint32_t>(both);
}

double NumpyRandom::uniform() {
  return static_cast<double>(next64() >> 11) * 0x1p-53;
}

uint64_t NumpyRandom::interval(uint64_t most) {
  if (most == 0) return 0;
  const uint64_t mask = ~uint64_t{0} >> std::countl_zero(most);
  uint64_t value;
  do {
    value = (most <= 0xffffffff ? next32() : next64()) & mask;
  } while (value > most);
  return value;
}

std::vector<int64_t> numpy_permutation(uint64_t seed, int64_t length) {
  assert(length >= 0);
  std::vector<int64_t> order(static_cast<size_t>(length));
  std::iota(order.begin(), order.end(), int64_t{0});
  NumpyRandom generator(seed);
  for (size_t i = order.size(); i-- > 1;) std::swap(order[i], order[generator.interval(i)]);
  return order;
}

}  // namespace sleb
