#!/usr/bin/env bash
# Runs the kernels and the addon of the engine native under sanitizers; needs gcc with its sanitizer libraries, as in Debian.
#
#   scripts/sanitize.sh            all of it: two and a half minutes
#   scripts/sanitize.sh thread     only ThreadSanitizer, over test/native/replay.c
#   scripts/sanitize.sh address    only AddressSanitizer and UndefinedBehaviorSanitizer, over the contract suites of native
#
# ThreadSanitizer has no instrumented node, whose own threads it would report: a driver in C calls the same kernels and threads.c.
# The instrumented addon is built and tested in a copy of this folder: dist keeps the one that is used.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d /tmp/marquee-sanitize-XXXXXX)
trap 'rm -rf "$work"' EXIT
kernels=src/engines/cpu
warnings=(-std=c11 -Wall -Wextra -Wno-psabi -g -fno-omit-frame-pointer -ffp-contract=fast -fno-math-errno -fno-trapping-math)
avx2=(-mavx2 -mfma)
avx512=(-mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512)

main() {
  case ${1:-all} in
    thread) threads ;;
    address) addresses ;;
    all) threads && addresses ;;
    *) echo "usage: ${0##*/} [thread|address]" >&2; exit 2 ;;
  esac
}

threads() {
  replay thread -fsanitize=thread
  replay address -fsanitize=address,undefined -fno-sanitize-recover=all
}

replay() { # name, flags…
  local name=$1
  shift
  local objects=()
  for set in avx512 avx2 baseline; do
    local -n flags=$set
    gcc "${warnings[@]}" -O2 "${flags[@]}" "$@" "-DKERNELS=marquee_$set" -c "$kernels/kernel.c" -o "$work/$set.o"
    objects+=("$work/$set.o")
  done
  gcc "${warnings[@]}" -O2 "$@" -I"$kernels" "${objects[@]}" "$kernels/threads.c" test/native/replay.c -lpthread -lm \
    -o "$work/replay"
  echo "sanitize: replay, $name"
  # Without randomized addresses, which fall outside the sanitizer's shadow on newer kernels.
  TSAN_OPTIONS=halt_on_error=1 setarch -R "$work/replay"
}
baseline=()

addresses() {
  local copy=$work/marquee
  mkdir "$copy"
  cp -r package.json jest.config.mjs tsconfig.json src test dist scripts "$copy"
  ln -s "$PWD/node_modules" "$copy/node_modules"
  (cd "$copy" && MARQUEE_SANITIZE=address,undefined CC=gcc node scripts/build-native.mjs)
  echo 'sanitize: contract suites of native, address and undefined'
  # Leaks are not looked for: node leaves memory to the end of the process. The suites need no PostgreSQL.
  (cd "$copy" && ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 NODE_OPTIONS=--experimental-vm-modules \
    LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)" \
    node node_modules/jest/bin/jest.js --globalSetup= --globalTeardown= \
    --testPathPatterns 'engines\.(contract|family|sweeps|topMovies|threads)' --testNamePattern 'native')
}

main "$@"
