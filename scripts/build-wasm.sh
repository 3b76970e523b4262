#!/usr/bin/env bash
# Builds src/engines/cpu/kernel.wasm, which is committed since users have no clang; CI builds it again and compares the bytes.
# With --check: builds elsewhere and fails when the committed file differs. Needs clang-16 and lld-16 (Debian 12).
set -euo pipefail
cd "$(dirname "$0")/../src/engines/cpu"
out=kernel.wasm
[ "${1:-}" = --check ] && out=$(mktemp)
clang-16 --target=wasm32 -std=c11 -O3 -nostdlib -Wall -Wextra \
  -msimd128 -mbulk-memory -matomics -mmutable-globals \
  -ffp-contract=fast -fno-math-errno -fno-trapping-math \
  -fuse-ld=/usr/bin/wasm-ld-16 -Wl,--no-entry,--import-memory,--shared-memory,--max-memory=4294967296 \
  -Wl,--export=__stack_pointer,--export=__heap_base,--strip-debug,-z,stack-size=65536 \
  kernel.c -o "$out"
[ "$out" = kernel.wasm ] || cmp "$out" kernel.wasm || {
  echo 'src/engines/cpu/kernel.wasm is not what its source gives: run scripts/build-wasm.sh and commit it' >&2
  exit 1
}
