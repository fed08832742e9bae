#!/usr/bin/env bash
# Called by `make test`: what the tests need from the distribution. (PostgreSQL comes from a wheel.)
# Changes nothing when all is there. When it may not install, it says which tests will be skipped and lets them run.
set -euo pipefail

declare -A PACKAGE_OF=(
    [/usr/lib/systemd/systemd]=systemd
    [/usr/bin/systemd-analyze]=systemd
    [/usr/bin/dbus-daemon]=dbus
    [/usr/bin/unshare]=util-linux
    [/usr/bin/nsenter]=util-linux
    [/usr/bin/redis-server]=redis-server
    [/usr/bin/dot]=graphviz
)

declare -A missing=()
for file in "${!PACKAGE_OF[@]}"; do
    [[ -e $file ]] || missing[${PACKAGE_OF[$file]}]=yes
done
# the installer under test makes its virtual environment with the distribution's Python when there is no uv
if [[ -x /usr/bin/python3 ]] && ! /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null; then
    missing[python3-venv]=yes
fi
((${#missing[@]})) || exit 0

skipped() {
    echo "install_servers.sh: $1, so the tests that need ${!missing[*]} will be skipped." >&2
    exit 0
}

[[ $EUID -eq 0 ]] || skipped "only root may install packages"
command -v apt-get >/dev/null || skipped "there is no apt-get here"
echo "Installing for the tests: ${!missing[*]}"
export DEBIAN_FRONTEND=noninteractive
if ! apt-get install --yes --quiet --no-install-recommends "${!missing[@]}" >/dev/null 2>&1; then
    # the list of packages may be old or absent
    apt-get update --quiet >/dev/null 2>&1 || skipped "apt-get update failed"
    apt-get install --yes --quiet --no-install-recommends "${!missing[@]}" >/dev/null || skipped "apt-get install failed"
fi
