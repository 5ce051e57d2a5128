#!/bin/sh
# Makes the secrets of compose.yaml once, each in a file: sh deploy/container/secrets.sh [FOLDER]
set -eu
folder=${1:-$(dirname "$0")/../secrets}
umask 077
mkdir -p "$folder"
chmod 700 "$folder"
letters() { LC_ALL=C tr -dc A-Za-z0-9 </dev/urandom | head -c "$1"; }
# Inside of a container another user reads them; outside, the folder is closed to all but its owner.
keep() {
    [ -e "$folder/$1" ] && return
    printf '%s\n' "$2" >"$folder/$1"
    chmod 644 "$folder/$1"
}
keep database_password "$(letters 40)"
password=$(cat "$folder/database_password")
keep database "postgresql+psycopg://terrafair:$password@database/terrafair"
keep items_database "postgresql://terrafair:$password@database/terrafair"
keep store_key "TF$(letters 18)"
keep store_secret "$(letters 40)"
# Identity provider, as docs/identity.md has it; its client secret beside it.
keep providers '{}'
keep provider_secret ''
echo "Secrets are in $folder. Put your identity provider into $folder/providers and provider_secret."
