#!/bin/sh
# The secrets of docker/compose.yaml, and two more that the nodes use among themselves; what is there already stays.
set -eu

parent="$(cd "$(dirname "$0")/.." && pwd)"
sh "$parent/make-secrets.sh"
for name in replication_password patroni_password; do
    [ -s "$parent/secrets/$name" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$parent/secrets/$name"
    chmod 444 "$parent/secrets/$name"
done
