#!/bin/sh
# Entrypoint of the stand-in that docker-ci.sh builds where the official postgres image cannot be had: what tests and
# docker-compose.yml use of the official one's contract (POSTGRES_*, PGDATA, *.sql in /docker-entrypoint-initdb.d,
# server arguments), and nothing more.
set -eu

: "${POSTGRES_USER:=postgres}" "${POSTGRES_DB:=$POSTGRES_USER}" "${PGDATA:=/var/lib/postgresql/data}"

[ "${1:-postgres}" = postgres ] || exec "$@"
[ $# -eq 0 ] || shift

as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups env HOME=/var/lib/postgresql "$@"; }

install -d -o postgres -g postgres -m 700 "$PGDATA"
install -d -o postgres -g postgres -m 2775 /var/run/postgresql

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD}"
  secret=$(mktemp)
  printf %s "$POSTGRES_PASSWORD" >"$secret"
  chown postgres "$secret"
  as_postgres initdb -D "$PGDATA" -U "$POSTGRES_USER" --pwfile="$secret" --auth-host=scram-sha-256 --auth-local=trust \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync >/dev/null
  rm "$secret"
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  # Until it is complete the server listens on its socket only, so that a port that answers means ready.
  as_postgres pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w -l /dev/null start >/dev/null
  [ "$POSTGRES_DB" = postgres ] || as_postgres createdb -U "$POSTGRES_USER" --maintenance-db=postgres "$POSTGRES_DB"
  for file in /docker-entrypoint-initdb.d/*.sql; do
    [ ! -f "$file" ] || as_postgres psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f "$file"
  done
  as_postgres pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null
fi

exec setpriv --reuid=postgres --regid=postgres --clear-groups env HOME=/var/lib/postgresql \
  postgres -D "$PGDATA" -c listen_addresses='*' "$@"
