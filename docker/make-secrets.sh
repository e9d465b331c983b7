#!/bin/sh
# Makes the passwords and addresses that compose.yaml hands to the containers, once; what is there already stays.
# The folder is closed to others; the files are readable by every user, since the user ids in the containers differ.
set -eu

folder="$(cd "$(dirname "$0")" && pwd)/secrets"
mkdir -p "$folder"
chmod 700 "$folder"

password() {
    [ -s "$folder/$1" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$folder/$1"
}

password superuser_password
password owner_password
password app_password
printf 'postgresql://vienphi_owner:%s@database/vienphi' "$(cat "$folder/owner_password")" >"$folder/owner_url.new"
printf 'postgresql://vienphi_app:%s@database/vienphi' "$(cat "$folder/app_password")" >"$folder/app_url.new"
mv -f "$folder/owner_url.new" "$folder/owner_url"
mv -f "$folder/app_url.new" "$folder/app_url"
chmod 444 "$folder"/*
