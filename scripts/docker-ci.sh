#!/usr/bin/env bash
# A Docker engine, the compose plugin and a postgres image for a Debian machine (12 or later, root) that has none of
# them and no image registry. What already answers is used as it is.
#
#   docker_env=$(scripts/docker-ci.sh start) && eval "$docker_env"    # 30 s on a fresh machine, 1 s after that
#   scripts/docker-ci.sh stop                                         # ends the engine that `start` started
#
# Where no registry answers, postgres:17 is a STAND-IN, not the official image: Debian's PostgreSQL behind
# docker-ci/entrypoint.sh. It carries the label marquee.stand-in; `docker image rm postgres:17` removes it.
# The engine keeps to itself: own socket and folder, no firewall rules, no IP forwarding. So containers reach each
# other and the machine their published ports, but not the outside: what builds needs the host's network.
# All of it lives in $DOCKER_CI_DIR and can be deleted after `stop`.
set -euo pipefail

dir=${DOCKER_CI_DIR:-/var/tmp/marquee-docker}
image=${POSTGRES_IMAGE:-postgres:17}
suite=trixie postgres=17 # what Debian's suite of that name carries
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
own_host=unix://$dir/docker.sock

start() {
  engine >&2
  compose >&2
  postgres_image >&2
  exports
}

stop() {
  [ -e "$dir/dockerd.pid" ] || return 0
  kill "$(cat "$dir/dockerd.pid")" 2>/dev/null || rm -f "$dir/dockerd.pid"
  for _ in $(seq 300); do [ -e "$dir/dockerd.pid" ] || return 0; sleep 0.1; done
  echo "docker-ci: dockerd still runs after 30 s, see $dir/dockerd.log" >&2
  return 1
}

# Its own engine first: `start` must print the same whether or not DOCKER_HOST already names that engine.
engine() {
  if DOCKER_HOST=$own_host answers; then export DOCKER_HOST=$own_host; return; fi
  if answers; then return; fi
  install dockerd docker.io
  install docker docker-cli
  if answers; then return; fi # where systemd starts what apt-get installs
  export DOCKER_HOST=$own_host
  mkdir -p "$dir"
  rm -f "$dir/dockerd.pid" # of an engine that was killed
  setsid dockerd --host "$own_host" --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/dockerd.pid" \
    --ip 127.0.0.1 --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
    </dev/null >"$dir/dockerd.log" 2>&1 &
  for _ in $(seq 150); do
    if answers; then return; fi
    sleep 0.2
  done
  tail -n 20 "$dir/dockerd.log"
  echo "docker-ci: no Docker engine can run here, see $dir/dockerd.log"
  return 1
}

# Debian 12 has no compose v2, but trixie's is one static-enough binary (libc ≥ 2.34): taken out of the package, so that
# no apt source is added. DOCKER_CONFIG is changed only where compose is missing.
compose() {
  if docker compose version 2>/dev/null; then return; fi
  export DOCKER_CONFIG=$dir/config
  if docker compose version 2>/dev/null; then return; fi
  local plugin=usr/libexec/docker/cli-plugins/docker-compose
  install mmdebstrap mmdebstrap
  mkdir -p "$DOCKER_CONFIG/cli-plugins"
  mmdebstrap --quiet --variant=extract --include=docker-compose "$suite" - |
    tar -x --strip-components=4 -C "$DOCKER_CONFIG" "./$plugin"
  docker compose version
}

postgres_image() {
  if docker image inspect "$image" >/dev/null 2>&1; then return; fi
  if timeout 180 docker pull --quiet "$image"; then return; fi
  install mmdebstrap mmdebstrap
  echo "docker-ci: no registry: building the stand-in for $image from Debian $suite"
  mkdir -p "$dir"
  mmdebstrap --quiet --variant=essential --include="postgresql-$postgres" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook="copy-in '$here/docker-ci/entrypoint.sh' /usr/local/bin" "$suite" "$dir/postgres.tar"
  docker import \
    --change "LABEL marquee.stand-in=debian-$suite" \
    --change "ENV PATH=/usr/lib/postgresql/$postgres/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    --change 'ENTRYPOINT ["entrypoint.sh"]' --change 'CMD ["postgres"]' --change 'EXPOSE 5432' \
    "$dir/postgres.tar" "$image"
  rm "$dir/postgres.tar"
}

install() { # command package
  if command -v "$1" >/dev/null; then return; fi
  echo "docker-ci: apt-get install $2"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends "$2" >/dev/null
}

answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

exports() {
  printf 'export POSTGRES_IMAGE=%q\n' "$image"
  if [ -n "${DOCKER_CONFIG:-}" ]; then printf 'export DOCKER_CONFIG=%q\n' "$DOCKER_CONFIG"; fi
  # A /.dockerenv on the machine makes testcontainers look for a bridge gateway instead of the loopback.
  if [ "${DOCKER_HOST:-}" = "$own_host" ]; then
    printf 'export DOCKER_HOST=%q TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1\n' "$DOCKER_HOST"
  fi
  # Where there is no registry there is no image of testcontainers' reaper either.
  if [ -n "$(docker image inspect --format '{{index .Config.Labels "marquee.stand-in"}}' "$image")" ]; then
    echo 'export TESTCONTAINERS_RYUK_DISABLED=true'
  fi
}

case ${1:-} in
  start | stop) "$1" ;;
  *) echo "usage: ${0##*/} start|stop" >&2; exit 2 ;;
esac
