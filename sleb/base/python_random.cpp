#include "sleb/base/python_random.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <sstream>
#include <unordered_set>

namespace sleb {
namespace {

constexpr size_t state_size = 624;

// init_by_array of the generator's authors (mt19937ar.c), with the seed's 32-bit digits as the key
// (CPython, Modules/_randommodule.c, random_seed).
std::mt19937 seeded(uint64_t seed) {
  std::vector<uint32_t> key = {static_cast<uint32_t>(seed)};
  if (seed >> 32U != 0) key.push_back(static_cast<uint32_t>(seed >> 32U));
  std::array<uint32_t, state_size> state;
  state[0] = 19650218U;
  for (uint32_t i = 1; i < state_size; ++i) state[i] = 1812433253U * (state[i - 1] ^ (state[i - 1] >> 30U)) + i;
  size_t i = 1;
  const auto next = [&] {
    if (++i < state_size) return;
    state[0] = state[state_size - 1];
    i = 1;
  };
  for (size_t k = 0; k < state_size; ++k) {
    const auto j = static_cast<uint32_t>(k % key.size());
    state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30U)) * 1664525U)) + key[j] + j;
    next();
  }
  for (size_t k = 0; k < state_size - 1; ++k) {
    state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30U)) * 1566083941U)) - static_cast<uint32_t>(i);
    next();
  }
  state[0] = 0x80000000U;
  // The standard's way to set a generator's state: the words, as libstdc++ and libc++ write them.
  std::stringstream words;
  for (const uint32_t word : state) words << word << ' ';
  words << state_size;
  std::mt19937 generator;
  words >> generator;
  return generator;
}

}  // namespace

PythonRandom::PythonRandom(uint64_t seed) : generator_(seeded(seed)) {}

// CPython, Lib/random.py, Random._randbelow_with_getrandbits.
size_t PythonRandom::below(size_t bound) {
  const auto bits = static_cast<unsigned>(std::bit_width(bound));
  size_t drawn = 0;
  do {
    drawn = generator_() >> (32U - bits);
  } while (drawn >= bound);
  return drawn;
}

// CPython, Lib/random.py, Random.sample.
std::vector<size_t> PythonRandom::sample(size_t population, size_t count) {
  std::vector<size_t> drawn(count);
  double set_size = 21;
  if (count > 5) set_size += std::pow(4, std::ceil(std::log(3 * static_cast<double>(count)) / std::log(4)));
  if (static_cast<double>(population) <= set_size) {
    std::vector<size_t> pool(population);
    std::iota(pool.begin(), pool.end(), size_t{0});
    for (size_t i = 0; i < count; ++i) {
      const size_t j = below(population - i);
      drawn[i] = pool[j];
      pool[j] = pool[population - i - 1];
    }
    return drawn;
  }
  std::unordered_set<size_t> selected;
  for (size_t& index : drawn) {
    do {
      index = below(population);
    } while (!selected.insert(index).second);
  }
  return drawn;
}

}  // namespace sleb
