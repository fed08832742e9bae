#!/usr/bin/env bash
# Installs, upgrades or removes Roundsman on a machine with systemd. Running it again is safe at any time.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: install.sh [--no-start]     install or upgrade from the checkout that this script lies in, then (re)start
       install.sh --uninstall      stop the daemon, remove program and units, keep data and settings
       install.sh --help

--no-start  change nothing about what runs: neither enable nor start, for instance while an image is built

The program goes to /opt/roundsman, settings to /etc/roundsman, secrets to /etc/roundsman/credentials, data to
/var/lib/roundsman, and the command `roundsman` to /usr/local/bin. Python 3.11 or newer of the distribution is needed.
TEXT
}

readonly PROGRAM=/opt/roundsman
readonly SETTINGS=/etc/roundsman
readonly DATA=/var/lib/roundsman
readonly UNITS=/etc/systemd/system
readonly COMMAND=/usr/local/bin/roundsman
readonly DROP_IN=$UNITS/roundsman.service.d/10-rising-delay.conf
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly CHECKOUT=${HERE%/deploy/systemd}
cd / # no settings of the caller's folder shall count (uv reads pyproject.toml files upwards), and it may vanish
# What the package is built from; `pip install CHECKOUT` would leave its build folders there, owned by root.
readonly SOURCES=(pyproject.toml README.md LICENSE daemon.py config jobs roundsman)

say() { printf '%s\n' "$*"; }
fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

systemd_runs() { [[ -d /run/systemd/system ]]; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" /usr/bin/python3 /usr/bin/python3.{14,13,12,11} /usr/local/bin/python3; do
        [[ -x $candidate ]] || continue
        # one in a home directory is out of the daemon's reach (ProtectHome=)
        case $(readlink -f "$candidate") in /root/* | /home/*) continue ;; esac
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed outside of home directories; install it" \
        "(Debian: apt install python3 python3-venv) or name one with PYTHON=/path/to/python3."
}

check_machine() {
    [[ $EUID -eq 0 ]] || fail "this needs root; run: sudo $0 $*"
    command -v systemctl >/dev/null || fail "there is no systemd on this machine; without it use: make run"
    if ! systemd_runs && [[ $START == yes ]]; then
        fail "systemd does not run here (this may be a container); use --no-start to prepare an image."
    fi
}

check_checkout() {
    local name
    for name in "${SOURCES[@]}" constraints.txt config/example.env config/policies.toml docs/operations.md; do
        [[ -e $CHECKOUT/$name ]] || fail "$CHECKOUT/$name is missing; run this script from a complete checkout."
    done
}

# --- the program ---

build_release() { # PYTHON FOLDER: a virtual environment with the pinned versions
    local uv
    (cd "$CHECKOUT" && cp -R "${SOURCES[@]}" "$SCRATCH")
    uv=$(PATH=$PATH:$CHECKOUT/.venv/bin command -v uv || true)
    if [[ -n $uv ]] && build_with_uv "$uv" "$1" "$2"; then
        return
    fi
    rm -rf "$2"
    build_with_pip "$1" "$2" || fail "the packages could not be installed; see above." \
        "Nothing was changed, and a daemon that was installed before goes on."
}

build_with_uv() { # UV PYTHON FOLDER
    say "Installing the pinned packages with uv ..."
    # Bytecode now: the daemon may not write into its own program. Certificates of the machine, like Debian's pip:
    # a company's own authority is among them.
    "$1" venv --quiet --no-project --python "$2" "$3" &&
        UV_SYSTEM_CERTS=1 "$1" pip install --quiet --compile-bytecode --python "$3/bin/python" \
            --constraint "$CHECKOUT/constraints.txt" "$SCRATCH"
}

build_with_pip() { # PYTHON FOLDER
    say "Installing the pinned packages with pip; this takes about half a minute ..."
    "$1" -m venv "$2" || fail "$1 cannot make virtual environments; install its venv module" \
        "(Debian: apt install python3-venv)."
    # A pip.conf may redirect every installation elsewhere; where packages come from stays as it says.
    env -u PIP_TARGET -u PIP_PREFIX -u PIP_ROOT PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 \
        "$2/bin/python" -m pip install --quiet --disable-pip-version-check --use-pep517 \
        --constraint "$CHECKOUT/constraints.txt" "$SCRATCH"
}

install_program() {
    local python
    python=$(find_python)
    SCRATCH=$(mktemp -d)
    mkdir -p "$PROGRAM/releases"
    # A new folder each time, then one atomic switch: a failed upgrade leaves the old program whole, and a daemon that
    # still runs never imports half of a new one.
    RELEASE=$(mktemp -d "$PROGRAM/releases/$(date +%Y%m%d-%H%M%S)-XXXX")
    UNFINISHED=$RELEASE
    trap 'rm -rf "$SCRATCH" ${UNFINISHED:+"$UNFINISHED"}' EXIT
    chmod 755 "$PROGRAM" "$PROGRAM/releases" "$RELEASE"
    (umask 022 && build_release "$python" "$RELEASE/venv")
    "$RELEASE/venv/bin/roundsman" --help >/dev/null || fail "the new program does not start; see above."
    ln -sfn "$RELEASE/venv" "$PROGRAM/venv.new"
    mv -T "$PROGRAM/venv.new" "$PROGRAM/venv"
    UNFINISHED=
    install -m 644 "$CHECKOUT/README.md" "$PROGRAM/README.md"
    install -d -m 755 "$PROGRAM/docs"
    install -m 644 "$CHECKOUT"/docs/*.md "$PROGRAM/docs"
    install -m 755 "$HERE/roundsman.sh" "$COMMAND"
}

remove_old_releases() {
    local release
    for release in "$PROGRAM"/releases/*; do
        [[ $release == "$RELEASE" ]] || rm -rf "$release"
    done
}

# --- around it ---

install_files() {
    install -D -m 644 "$HERE/sysusers.conf" /etc/sysusers.d/roundsman.conf
    install -D -m 644 "$HERE/tmpfiles.conf" /etc/tmpfiles.d/roundsman.conf
    systemd-sysusers /etc/sysusers.d/roundsman.conf
    systemd-tmpfiles --create /etc/tmpfiles.d/roundsman.conf
    if [[ ! -e $SETTINGS/roundsman.env ]]; then
        install -m 640 -o root -g roundsman "$CHECKOUT/config/example.env" "$SETTINGS/roundsman.env"
        say "Wrote $SETTINGS/roundsman.env with the default settings."
    fi
    if [[ ! -e $SETTINGS/policies.toml ]]; then # an example, until the setting POLICIES_FILE names it
        install -m 640 -o root -g roundsman "$CHECKOUT/config/policies.toml" "$SETTINGS/policies.toml"
    fi
    install -m 644 "$HERE/roundsman.service" "$UNITS/roundsman.service"
    if (($(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p') >= 254)); then
        install -D -m 644 "$HERE/10-rising-delay.conf" "$DROP_IN"
    fi
}

start() {
    systemctl daemon-reload
    systemctl enable --quiet roundsman.service
    say "Starting the daemon ..."
    if ! systemctl restart roundsman.service; then
        journalctl --unit=roundsman --lines=15 --no-pager >&2 || true
        fail "the daemon is installed but did not start; its last words are above. Correct" \
            "$SETTINGS/roundsman.env and run: systemctl restart roundsman"
    fi
    remove_old_releases
    systemctl show roundsman.service --property=StatusText --value
    say "Roundsman runs and starts at every boot. Follow it with: journalctl --unit=roundsman --follow"
}

uninstall() {
    if systemd_runs; then
        systemctl disable --now --quiet roundsman.service 2>/dev/null || true
    fi
    rm -f "$UNITS/roundsman.service" "$UNITS/multi-user.target.wants/roundsman.service" "$DROP_IN" \
        /etc/sysusers.d/roundsman.conf /etc/tmpfiles.d/roundsman.conf "$COMMAND"
    rmdir --ignore-fail-on-non-empty "$(dirname "$DROP_IN")" 2>/dev/null || true
    rm -rf "$PROGRAM"
    if systemd_runs; then
        systemctl daemon-reload
        systemctl reset-failed roundsman.service 2>/dev/null || true
    fi
    say "Roundsman is removed. Kept: the data in $DATA, settings and secrets in $SETTINGS, and their user roundsman."
}

START=yes
case ${1:-} in
    "") ;;
    --no-start) START=no ;;
    --uninstall) START=no ;;
    --help | -h)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
esac
(($# <= 1)) || {
    usage >&2
    exit 2
}

check_machine "$@"
if [[ ${1:-} == --uninstall ]]; then
    uninstall
    exit 0
fi
check_checkout
install_program
install_files
if [[ $START == yes ]]; then
    start
else
    if systemd_runs; then systemctl daemon-reload; fi
    if systemd_runs && systemctl is-active --quiet roundsman.service; then
        say "Roundsman is installed. The daemon that runs is the old one until: systemctl restart roundsman"
    else
        say "Roundsman is installed. Start it, now and at every boot, with: systemctl enable --now roundsman"
    fi
fi
