#!/usr/bin/env bash
# As root: clones this checkout for an ordinary user, who installs, starts and tests it, as the README says.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d /tmp/marquee-ordinary-XXXXXX)
trap 'rm -rf "$folder"' EXIT
id marquee-ci >/dev/null 2>&1 || useradd --system --shell /bin/bash --home-dir /nonexistent marquee-ci

git clone --quiet . "$folder/marquee"
chown -R marquee-ci: "$folder"
chmod 700 "$folder"

setpriv --reuid=marquee-ci --regid=marquee-ci --init-groups env -i \
  PATH="$PATH" HOME="$folder" CI="${CI:-}" npm_config_userconfig="$folder/.npmrc" FOLDER="$folder/marquee" \
  bash -euo pipefail -c 'cd "$FOLDER" && npm ci && npm run quickstart -- --epochs 2 --exit && TEST_POSTGRES=embedded node scripts/run-readme.mjs --test'
