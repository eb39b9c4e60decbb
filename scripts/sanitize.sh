#!/usr/bin/env bash
# Unit tests, libtorch's callers included, under a sanitizer. Any report fails the test that caused it.
#
# usage: scripts/sanitize.sh asan-ubsan|tsan
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:?usage: scripts/sanitize.sh asan-ubsan|tsan}
jobs=$(nproc)

cmake --preset "$preset" >/dev/null
cmake --build "build/$preset" --target unit_tests

export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_init_order=1
export LSAN_OPTIONS=suppressions=$PWD/scripts/lsan.supp:print_suppressions=0
export UBSAN_OPTIONS=print_stacktrace=1
# Only what our own code does is judged: libtorch and its OpenMP are not instrumented, so that the sanitizer does not see
# how their threads wait for one another.
export TSAN_OPTIONS=suppressions=$PWD/scripts/tsan.supp:ignore_noninstrumented_modules=1:history_size=4
ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$jobs"
