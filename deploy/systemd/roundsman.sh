#!/bin/sh
# The `roundsman` command of an installed system: the same program, user, folders and secrets as the daemon's.
# As root it runs in a transient unit, since a file that root made in the store could not be written by the daemon, and
# only systemd hands out the secrets. Files are read as that user, too: `roundsman conversations import - < FILE`.
set -eu

program=/opt/roundsman/venv/bin/roundsman
state=/var/lib/roundsman
settings=/etc/roundsman

if [ "$(id -un)" = roundsman ]; then
    ROUNDSMAN_STATE_DIR=$state ROUNDSMAN_ENV_FILE=$settings/roundsman.env exec "$program" "$@"
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "roundsman: only root and the user roundsman can reach the daemon's store; try: sudo roundsman $*" >&2
    exit 1
fi
if [ -t 0 ] && [ -t 1 ]; then
    connected=--pty
else
    connected=--pipe
fi
exec systemd-run --quiet --collect --wait "$connected" --service-type=exec \
    --description="roundsman $*" --working-directory="$state" \
    --uid=roundsman --gid=roundsman --property=UMask=0077 --property=LimitCORE=0 \
    --setenv=ROUNDSMAN_STATE_DIR="$state" --setenv=ROUNDSMAN_ENV_FILE="$settings/roundsman.env" \
    --property=LoadCredential=roundsman:"$settings/credentials" --property=SetCredential=roundsman:none \
    -- "$program" "$@"
