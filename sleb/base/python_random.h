// Python's random.Random, to the bit: the Mersenne Twister (Matsumoto and Nishimura, 1998) seeded as CPython seeds it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace sleb {

class PythonRandom {
 public:
  // random.Random(seed)
  explicit PythonRandom(uint64_t seed);

  // random.sample(range(population), count); count <= population < 2^32.
  std::vector<size_t> sample(size_t population, size_t count);

 private:
  size_t below(size_t bound);

  std::mt19937 generator_;
};

}  // namespace sleb
