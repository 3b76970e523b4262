#!/usr/bin/env bash
# Runs the contract suites of the engines on Node 24, which is installed beside the project and goes afterwards. The addon is the
# one that is built already: N-API does not change with Node.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d /tmp/marquee-node24-XXXXXX)
trap 'rm -rf "$folder"' EXIT

npm install --silent --no-save --prefix "$folder" "node-linux-$(node -p process.arch)@24"
node=$(echo "$folder"/node_modules/node-linux-*/bin/node)
"$node" --version
"$node" dist/main.js engines
# Without PostgreSQL: engines know of none.
NODE_OPTIONS=--experimental-vm-modules "$node" node_modules/jest/bin/jest.js --globalSetup= --globalTeardown= \
  --testPathPatterns 'test/engines\.'
