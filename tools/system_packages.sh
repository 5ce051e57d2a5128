#!/bin/sh
# Installs the system packages that some tests need, where that is possible; the tests skip with a reason where it is not.
set -u
wanted="bubblewrap podman runc chromium prometheus"
missing=""
for package in $wanted; do
    command -v "$(echo "$package" | sed "s/bubblewrap/bwrap/; s/prometheus/promtool/")" >/dev/null 2>&1 || missing="$missing $package"
done
# Items in PostgreSQL: any version that the system has, with its PostGIS.
if ! ls /usr/share/postgresql/*/extension/postgis.control >/dev/null 2>&1; then
    version=$(apt-cache search --names-only '^postgresql-[0-9]+-postgis-3$' 2>/dev/null | sed 's/^postgresql-\([0-9]*\).*/\1/' | sort -n | tail -1)
    [ -n "$version" ] && missing="$missing postgresql-$version postgresql-$version-postgis-3"
fi
# A batch system of one node.
command -v slurmctld >/dev/null 2>&1 || [ -x /usr/sbin/slurmctld ] || missing="$missing slurm-wlm munge"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Not installed (no root or no apt):$missing. Tests that need them are skipped."
    exit 0
fi
echo "Installing system packages that tests need:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null 2>&1
# shellcheck disable=SC2086 # the list is meant to be split
apt-get install -qq --no-install-recommends $missing >/dev/null 2>&1 ||
    echo "apt could not install:$missing. Tests that need them are skipped."
exit 0
