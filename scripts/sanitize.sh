#!/usr/bin/env bash
# Unit tests, those of libtorch's callers included, under a sanitizer; any report fails the test that caused it. No
# suppressions: libtorch and its OpenMP are not instrumented, so ThreadSanitizer would take their barriers for
# none; they get one thread, sleb's own as many as ever.
#
# usage: scripts/sanitize.sh asan-ubsan|tsan
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?usage: scripts/sanitize.sh asan-ubsan|tsan}

cmake --preset "$preset" >/dev/null
cmake --build "build/$preset" --target unit_tests
# A test asks for more memory than there is, which is not to end the program.
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_init_order=1:allocator_may_return_null=1
export TSAN_OPTIONS=allocator_may_return_null=1
export OMP_NUM_THREADS=1
export UBSAN_OPTIONS=print_stacktrace=1
ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$(nproc)"
