#!/bin/sh
# Gives the roles of postgres-roles.sql their passwords, from files; the Postgres image runs it at its first start.
set -eu
for who in migrator daemon reader; do
  psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set ON_ERROR_STOP=1 --quiet \
    --set password="$(cat "/run/secrets/$who-password")" <<SQL
alter role entra_sync_$who password :'password';
SQL
done
