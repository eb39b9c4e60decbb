// numpy's random numbers, to the bit: what Hugging Face datasets' shuffle(seed) is made of.
#pragma once

#include <cstdint>
#include <vector>

namespace sleb {

// numpy.random.default_rng(seed).permutation(length): PCG64 seeded through SeedSequence (numpy,
// random/bit_generator.pyx and random/src/pcg64), Fisher-Yates from the end with masked-rejection bounded integers
// (Generator.shuffle). `seed` is any non-negative integer below 2^64.
std::vector<int64_t> numpy_permutation(uint64_t seed, int64_t length);

}  // namespace sleb
