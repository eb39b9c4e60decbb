#!/usr/bin/env bash
# Everything that only a GPU can tell, on a machine that has one for a quarter of an hour and no network.
#
# usage: scripts/gpu_check.sh build   here: builds sleb against libtorch for CUDA into build/gpu-bundle, which travels
#        scripts/gpu_check.sh         there: runs the stages (bench/gpu/check.py), at most 8 minutes; where the bundle does
#                                     not start, it is built there first
#
# environment: STAGES="ceilings decoding" some of the stages, DEVICE=cpu SIZE=tiny a try without a GPU, BUDGET=480 seconds,
#              OUT=folder for the rows, PYTHON=python3 one with torch, transformers and pytest
set -euo pipefail
cd "$(dirname "$0")/.."
bundle=build/gpu-bundle
torch=build/gpu-torch

# As the machine with the GPU has it (Python 3.12, CUDA 13); nothing of it is run here.
fetch_torch() {
  if [ -f $torch/torch/lib/libtorch_cuda.so ]; then return; fi
  .venv/bin/pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
    --platform manylinux_2_28_x86_64 -d $torch torch==2.11.0
  python3 -m zipfile -e $torch/torch-2.11.0-*.whl $torch
  rm $torch/torch-2.11.0-*.whl
}

# NVRTC compiles without a GPU what is compiled there at run time (decoding_kernels.cu).
compile_kernels() {
  local nvrtc=build/gpu-nvrtc
  if [ ! -d $nvrtc ]; then
    .venv/bin/pip install --quiet --no-deps --target $nvrtc "nvidia-cuda-nvrtc>=13.0,<13.1"
  fi
  cmake --preset release -DSLEB_TESTS=ON >/dev/null
  cmake --build build/release --target sleb_engine_test
  LD_LIBRARY_PATH=$nvrtc/nvidia/cu13/lib build/release/layers/engine/sleb_engine_test --gtest_brief=1 \
    --gtest_filter='DecodingKernels.Compile*:CudaCode.*'
}

build() {
  scripts/setup.sh test
  compile_kernels
  fetch_torch
  cmake -S . -B build/gpu -G Ninja -DCMAKE_BUILD_TYPE=Release -DSLEB_TESTS=ON -DSLEB_ARROW=OFF \
    -DCMAKE_PREFIX_PATH="$PWD/$torch/torch" -DCMAKE_GTEST_DISCOVER_TESTS_DISCOVERY_MODE=PRE_TEST \
    -DCMAKE_BUILD_RPATH="\$ORIGIN/lib;\$ORIGIN/../../lib" >/dev/null
  cmake --build build/gpu --target sleb sleb-engine run_dump sleb_engine_test
  rm -rf $bundle
  mkdir -p $bundle/lib $bundle/tests/engine
  strip -o $bundle/sleb build/gpu/sleb
  strip -o $bundle/sleb-engine build/gpu/sleb-engine
  strip -o $bundle/tests/engine/run_dump build/gpu/tests/engine/run_dump
  strip -o $bundle/sleb_engine_test build/gpu/layers/engine/sleb_engine_test
  # Small libraries that the other machine may lack; libtorch and what comes with the compiler it has.
  ldd build/gpu/sleb build/gpu/sleb-engine | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u |
    grep -vE '/(libtorch|libc10|libcu|libnv|libgomp|libstdc|libgcc|libc\.|libm\.|libpthread|libdl|librt|libutil)' |
    grep -v "^$PWD" | xargs -I{} cp -L {} $bundle/lib/
  .venv/bin/pip install --quiet --no-deps --target $bundle/python "$(grep ^gguf requirements-test.txt)"
  du -sh $bundle
}

# Against the libtorch of the Python that has it, where the bundle does not start: on another system or processor. There is
# no network there: the compiler and the libraries of scripts/setup.sh have to be there.
build_there() {
  echo "gpu_check: the bundle does not start here; building" >&2
  cmake -S . -B build/gpu-there -G Ninja -DCMAKE_BUILD_TYPE=Release -DSLEB_TESTS=ON -DSLEB_ARROW=OFF \
    -DCMAKE_PREFIX_PATH="$(dirname "$1")" >/dev/null
  cmake --build build/gpu-there --target sleb sleb-engine run_dump sleb_engine_test >&2
  ln -sf layers/engine/sleb_engine_test build/gpu-there/sleb_engine_test
  export SLEB_BUILD_DIR=build/gpu-there
}

run() {
  local python=${PYTHON:-python3}
  if [ -z "${SLEB_BUILD_DIR:-}" ]; then
    export SLEB_BUILD_DIR=$bundle
    local torch_lib
    torch_lib=$("$python" -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "lib"))')
    export LD_LIBRARY_PATH=$torch_lib PYTHONPATH="$PWD/$bundle/python"
    "$SLEB_BUILD_DIR/sleb-engine" --version >/dev/null 2>&1 || build_there "$torch_lib"
  fi
  "$SLEB_BUILD_DIR/sleb" --version >/dev/null
  exec "$python" bench/gpu/check.py
}

"${1:-run}"
