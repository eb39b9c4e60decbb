"""numpy_permutation against numpy itself."""
import hashlib
import subprocess

import numpy
import pytest

LENGTHS = [0, 1, 2, 3, 10, 127, 128, 129, 1000, 3760, 4358, 36718, 65535, 65536, 65537, 100000]
LARGE_SEEDS = [2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**40 + 12345, 2**63 + 5, 2**64 - 1]


def of_numpy(seed: int, length: int) -> str:
    order = numpy.random.default_rng(seed).permutation(length)
    return hashlib.sha256(order.astype("<i8").tobytes()).hexdigest()


def different(program, pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The pairs of seed and length for which the program does not print numpy's permutation."""
    lines = "".join(f"{seed} {length}\n" for seed, length in pairs)
    output = subprocess.run([program], input=lines, capture_output=True, text=True, check=True).stdout
    return [pair for pair, printed in zip(pairs, output.split(), strict=True) if printed != of_numpy(*pair)]


@pytest.mark.parametrize("seeds", [range(100), LARGE_SEEDS], ids=["seeds 0 to 99", "large seeds"])
def test_permutations_equal_numpys(built_program, seeds):
    assert different(built_program("permutation_dump"), [(seed, length) for seed in seeds for length in LENGTHS]) == []


def test_every_small_length_equals_numpys(built_program):
    assert different(built_program("permutation_dump"), [(42, length) for length in range(600)]) == []
