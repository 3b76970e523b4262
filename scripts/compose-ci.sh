#!/usr/bin/env bash
# Builds the image, brings docker-compose.yml up with two workers and two APIs, asks both, follows a run from the API that did not
# start it, and takes all of it down again, volume included. Needs a Docker engine with compose (docker-ci.sh), and the build here.
#
#   scripts/compose-ci.sh            a minute; PORT: where the first API is published, 4000; the second one beside it
#
# Where node:22-slim cannot be pulled, the base image is a STAND-IN: Debian trixie with this machine's node, npm,
# certificates and registry setting. It carries the label marquee.stand-in.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

suite=trixie
stand_in=marquee-node:stand-in
first=${PORT:-4000}
ports=("$first" $((first + 1)))
export NODE_IMAGE=${NODE_IMAGE:-node:22-slim} PORT=${ports[0]}-${ports[1]}
work=$(mktemp -d)
now='preparing the base image' # the step that runs
compose=(docker compose --project-name marquee-ci --file docker-compose.yml --file "$work/ci.yml")

main() {
  trap clean_up EXIT
  base_image
  # The engine of docker-ci.sh gives containers no way out: the build, which installs packages, uses the machine's.
  echo 'services: { migrate: { build: { network: host } } }' >"$work/ci.yml"
  step config "${compose[@]}" config --quiet
  step build "${compose[@]}" build --quiet
  step up "${compose[@]}" up --detach --wait --wait-timeout 120 --scale worker=2 --scale api=2
  step processes two_of_each
  step import import_set
  for port in "${ports[@]}"; do step "query at $port" ask "$port" '{ movies(first: 1) { nodes { movieId } } }'; done
  step 'a run of one API, followed by the other' \
    node scripts/follow-run.mjs "http://127.0.0.1:${ports[0]}" "http://127.0.0.1:${ports[1]}"
}

base_image() {
  if docker image inspect "$NODE_IMAGE" >/dev/null 2>&1; then return; fi
  if timeout 180 docker pull --quiet "$NODE_IMAGE"; then return; fi
  NODE_IMAGE=$stand_in
  if docker image inspect "$NODE_IMAGE" >/dev/null 2>&1; then return; fi
  step "stand-in for the node image" build_stand_in
}

build_stand_in() {
  local certificates=/etc/ssl/certs/ca-certificates.crt
  printf 'registry=%s\ncafile=%s\n' "$(npm config get registry 2>/dev/null)" "$certificates" >"$work/npmrc"
  # shellcheck disable=SC2016 # mmdebstrap sets $1 to the folder of the new root
  mmdebstrap --quiet --variant=essential --include=ca-certificates,libstdc++6,passwd \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='chroot "$1" useradd --create-home node' \
    --customize-hook='mkdir -p "$1/usr/local/lib/node_modules" "$1/usr/local/etc"' \
    --customize-hook='ln -s ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm"' \
    --customize-hook="copy-in '$(npm root --global 2>/dev/null)/npm' /usr/local/lib/node_modules" \
    --customize-hook="upload '$(node -p process.execPath)' /usr/local/bin/node" \
    --customize-hook='chmod +x "$1/usr/local/bin/node"' \
    --customize-hook="upload '$work/npmrc' /usr/local/etc/npmrc" \
    --customize-hook="upload '$certificates' '$certificates'" \
    "$suite" "$work/node.tar"
  docker import --change "LABEL marquee.stand-in=debian-$suite" --change 'CMD ["node"]' \
    --change 'ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$work/node.tar" "$NODE_IMAGE"
  docker run --rm "$NODE_IMAGE" sh -c 'node --version && npm --version'
}

# The machine's node, since nothing says that there is a curl.
ask() {
  node --input-type=module -e '
    const [, port, query] = process.argv;
    const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query }),
    });
    const answer = await response.text();
    console.log(answer);
    if (!response.ok || JSON.parse(answer).data?.movies?.nodes.length !== 1) process.exitCode = 1;
  ' "$1" "$2"
}

two_of_each() {
  local service
  for service in worker api; do
    [ "$("${compose[@]}" ps --status running --quiet "$service" | wc -l)" = 2 ]
  done
}

import_set() {
  env -u PORT node dist/main.js synth --out "$work/set" --users 200 --movies 100 --ratings 5000
  chmod -R a+rX "$work" # another account in the container
  "${compose[@]}" run --rm --no-deps --volume "$work/set:/ratings:ro" worker import /ratings
}

step() { # name, command…
  local from=$SECONDS
  now=$1
  shift
  "$@" >&2 # bare, or `set -e` would not hold inside
  echo "compose-ci: $now: $((SECONDS - from)) s"
}

clean_up() {
  local status=$?
  if [ -e "$work/ci.yml" ]; then
    [ "$status" = 0 ] || "${compose[@]}" logs --tail 50 >&2 || true
    "${compose[@]}" down --volumes --timeout 20 >&2 || true
  fi
  rm -rf "$work"
  [ "$status" = 0 ] || echo "compose-ci: $now failed" >&2
  exit "$status"
}

main
