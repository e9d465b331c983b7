#!/bin/sh
# Run once on empty data, by the PostgreSQL image or by Patroni, which adds an address: roles and database. The owner migrates and owns
# every table; the app role owns nothing and gets its narrow rights from the migrations; the auditor role, which persons
# are made members of, may read what is not personal.
set -eu

export SECRETS="${SECRETS:-/run/secrets}"
psql --no-psqlrc --set=ON_ERROR_STOP=1 --dbname="${1:-user=${POSTGRES_USER:-postgres} dbname=postgres}" <<'SQL'
\set owner_password `cat "$SECRETS/owner_password"`
\set app_password `cat "$SECRETS/app_password"`
CREATE ROLE vienphi_owner LOGIN CREATEROLE PASSWORD :'owner_password';
CREATE ROLE vienphi_app LOGIN PASSWORD :'app_password';
CREATE ROLE vienphi_auditor NOLOGIN;
CREATE DATABASE vienphi OWNER vienphi_owner;
REVOKE TEMPORARY ON DATABASE vienphi FROM PUBLIC;
SQL
