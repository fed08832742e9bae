#!/usr/bin/env bash
# Called by `make bench-peers`: the distribution's Redis, for the peers that need one.
# Changes nothing when it is there. When it may not install, it says so, and those peers are left out.
set -euo pipefail

command -v redis-server >/dev/null && exit 0

left_out() {
    echo "install_redis.sh: $1, so the peers on Redis are left out." >&2
    exit 0
}

[[ $EUID -eq 0 ]] || left_out "only root may install packages"
command -v apt-get >/dev/null || left_out "there is no apt-get here"
echo "Installing for the peers: redis-server"
export DEBIAN_FRONTEND=noninteractive
# the list of packages may be old or absent
apt-get install --yes --quiet --no-install-recommends redis-server >/dev/null 2>&1 \
    || { apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends redis-server; } >/dev/null 2>&1 \
    || left_out "apt-get could not install redis-server"
