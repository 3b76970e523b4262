#!/usr/bin/env bash
# Builds a copy of this checkout where there is no C compiler: one line says so, the engine native gives the reason, and auto
# takes wasm.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d /tmp/marquee-no-compiler-XXXXXX)
trap 'rm -rf "$folder"' EXIT

git clone --quiet . "$folder/marquee"
ln -s "$PWD/node_modules" "$folder/marquee/node_modules"
cd "$folder/marquee"
export CC=/nonexistent/cc
npm run --silent build | grep -F 'engine native: not built, there is no C compiler "/nonexistent/cc"'
engines=$(node dist/main.js engines --json)
grep -F '"name":"native","available":false' <<<"$engines" | grep -F 'install a C compiler (cc), then `npm run build`'
grep -F '"name":"wasm","available":true' <<<"$engines"
node --input-type=module -e '
  const { openEngine } = await import("./dist/engines/open.js");
  const { name } = await openEngine("auto", { threads: 2 });
  console.log("auto takes", name);
  if (name !== "wasm") process.exitCode = 1;
'
