#!/usr/bin/env bash
# Packs what scripts/bench-gpu.sh needs into one archive of about 50 MB, for a GPU machine that has nothing and no network: Node, this
# build, Vulkan's loader, and node_modules: small packages whole, of large ones the files that the benches and suites open (seen with
# strace, on a software driver).
# There: tar xJf marquee-gpu.tar.xz && marquee-gpu/scripts/bench-gpu.sh results
set -euo pipefail
cd "$(dirname "$0")/.."
archive=$(realpath -m "${1:-marquee-gpu.tar.xz}")
if ! command -v strace >/dev/null || ! command -v xz >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends strace xz-utils >/dev/null
fi
eval "$(scripts/software-vulkan.sh)"
npm run build >/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

traces=0
seen() { strace -f -qq -e trace=openat -o "$work/trace.$((++traces))" "$@" >/dev/null; }
for bench in 'gpu --preset paper' 'gpu --preset mf' 'score --engine webgpu'; do
  seen node dist/main.js bench $bench --shape tiny --seconds 1 --repeats 1 --json
done
seen node dist/main.js engines --json
export NODE_OPTIONS=--experimental-vm-modules
seen node node_modules/jest/bin/jest.js --globalSetup= --globalTeardown= test/engines.contract.test.ts test/engines.topMovies.test.ts -t 'no such test'

to=$work/marquee-gpu
mkdir -p "$to/lib"
sed -n 's/.*openat([^"]*"\([^"]*\)".*/\1/p' "$work"/trace.* | sed "s#^$PWD/##" | grep '^node_modules/' | sort -u |
  while read -r file; do if [ -f "$file" ]; then echo "$file"; fi; done >"$work/files"
du -sk node_modules/[!@.]* node_modules/@*/* | awk '$1 < 2048 { print $2 }' >>"$work/files"
tar c --exclude='*.map' --exclude='*.d.ts' --exclude='*.d.mts' --exclude='*.d.cts' --exclude='*.md' -T "$work/files" \
  dist test prisma scripts package.json jest.config.mjs tsconfig.json | tar x -C "$to"
cp "$(command -v node)" "$to/lib/node"
cp -L "$(ldconfig -p | sed -n 's/.*libvulkan.so.1 .*=> //p' | head -1)" "$to/lib/libvulkan.so.1"
git rev-parse HEAD >"$to/commit"
tar cJf "$archive" -C "$work" marquee-gpu
ls -l "$archive"
