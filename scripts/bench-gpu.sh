#!/usr/bin/env bash
# All figures of a GPU in one go, in less than 8 minutes: what is there, the suites on it, `marquee bench gpu`, `marquee bench score`.
# Needs Node, this folder with node_modules and dist, and a Vulkan driver; no network, no PostgreSQL. scripts/pack-gpu.sh packs all of
# it but the driver, with a Node and a Vulkan loader for machines that have none. A driver that the loader does not find by itself is
# named in VK_DRIVER_FILES. PyTorch is measured where python3 has it. Output: JSON lines in the folder given, or ./bench-gpu.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-bench-gpu}
mkdir -p "$out"
[ -x lib/node ] && PATH=$PWD/lib:$PATH
failed=0
ldconfig -p | grep -q libvulkan.so.1 || export LD_LIBRARY_PATH=$PWD/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
step() { printf '\n=== %s (%s s)\n' "$*" "$SECONDS"; }

step 'the machine'
{ date -u; uname -a; node --version; nvidia-smi; cat commit || git rev-parse HEAD; } 2>&1 | tee "$out/machine.txt"
step 'the engines'
node dist/main.js engines --json | tee "$out/engines.jsonl" || failed=1

step 'steps of the paper, and of matrix factorization'
for preset in paper mf; do
  timeout 150 node dist/main.js bench gpu --preset "$preset" --seconds 5 --repeats 5 --json | tee -a "$out/gpu.jsonl" || failed=1
done
step 'scores'
timeout 60 node dist/main.js bench score --engine webgpu --seconds 2 --repeats 3 --json | tee "$out/score.jsonl" || failed=1

step 'the numbers: the contract suites on this device'
NODE_OPTIONS=--experimental-vm-modules timeout 100 node node_modules/jest/bin/jest.js --globalSetup= --globalTeardown= test/engines.contract.test.ts test/engines.topMovies.test.ts \
  -t webgpu 2>&1 | grep -v -e skipped -e '^$' | tee "$out/suites.txt" || failed=1
step 'done'
exit $failed
