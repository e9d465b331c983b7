#!/bin/sh
# Run by the PostgreSQL image once, on an empty data folder: the roles and the database. The owner migrates and owns
# every table; the app role owns nothing and gets its narrow rights from the migrations; the auditor role, which persons
# are made members of, may read what is not personal.
set -eu

psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\set owner_password `cat /run/secrets/owner_password`
\set app_password `cat /run/secrets/app_password`
CREATE ROLE vienphi_owner LOGIN CREATEROLE PASSWORD :'owner_password';
CREATE ROLE vienphi_app LOGIN PASSWORD :'app_password';
CREATE ROLE vienphi_auditor NOLOGIN;
CREATE DATABASE vienphi OWNER vienphi_owner;
REVOKE TEMPORARY ON DATABASE vienphi FROM PUBLIC;
SQL
