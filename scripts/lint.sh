#!/usr/bin/env bash
# clang-format on every source, clang-tidy on every compiled one, ruff and mypy on the Python layer; any difference or warning
# fails.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files '*.h' '*.cpp' | xargs clang-format --dry-run -Werror
.venv/bin/ruff check --quiet
.venv/bin/ruff format --quiet --check
.venv/bin/mypy --no-error-summary
# A build folder of its own, without gcc's precompiled header, which clang-tidy can't read, and with every source by itself.
cmake -S . -B build/lint -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON -DCMAKE_UNITY_BUILD=OFF \
  >/dev/null
.venv/bin/run-clang-tidy.py -quiet -hide-progress -p build/lint -clang-tidy-binary .venv/bin/clang-tidy \
  "^$PWD/(sleb|apps)/"
