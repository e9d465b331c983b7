#!/bin/sh
# Hands the passwords to Patroni, which reads them from the environment, and becomes Patroni, with the rule of fence.py.
set -eu

PATRONI_SUPERUSER_PASSWORD="$(cat /run/secrets/superuser_password)"
PATRONI_REPLICATION_PASSWORD="$(cat /run/secrets/replication_password)"
PATRONI_RESTAPI_PASSWORD="$(cat /run/secrets/patroni_password)"
export PATRONI_SUPERUSER_PASSWORD PATRONI_REPLICATION_PASSWORD PATRONI_RESTAPI_PASSWORD
exec python3 /etc/patroni/patroni_fenced.py /etc/patroni/patroni.yaml
