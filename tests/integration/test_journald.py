"""What a real journald makes of our datagrams: a stand-alone one, in a mount namespace with a /run of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

JOURNALD = Path("/lib/systemd/systemd-journald")

pytestmark = [
    pytest.mark.systemd,
    pytest.mark.skipif(
        os.geteuid() != 0 or not JOURNALD.exists() or shutil.which("unshare") is None,
        reason="needs root, systemd-journald and unshare (tests/install_servers.sh)",
    ),
]

SPEAK = """
import logging
from roundsman import logs
from roundsman.journal import Journal
logging.getLogger().addHandler(logs.JournalHandler(Journal()))
logging.getLogger().setLevel(logging.INFO)
logs.hide(["sup3r-secret"])
log = logs.bind(logging.getLogger("roundsman.night"), JOB="nightly", RUN_ID=41)
log.warning("Khách đang chờ sup3r-secret", extra=logs.fields(ALERT="late:1"))
try:
    raise ValueError("sup3r-secret")
except ValueError:
    log.exception("It failed")
log.info("large " + "y" * 600_000)
"""

SCENE = """
set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal "/run/systemd/journald.conf.d"
printf '[Journal]\\nReadKMsg=no\\nRateLimitIntervalSec=0\\n' > /run/systemd/journald.conf.d/quiet.conf
/lib/systemd/systemd-journald 2>/dev/null & journald=$!
for _ in $(seq 200); do [ -S /run/systemd/journal/socket ] && break; sleep 0.02; done
"$1" -
journalctl --sync
journalctl -D /run/log/journal --output=json --all --no-pager JOB=nightly
kill "$journald"
"""


def test_journald_keeps_fields_priorities_tracebacks_and_large_messages() -> None:
    # --kill-child with a PID namespace: nothing outlives the test, whatever happens in it
    unshare = "unshare --mount --pid --fork --kill-child --mount-proc --propagation private"
    scene = subprocess.run(
        [*unshare.split(), "bash", "-c", SCENE, "scene", sys.executable],
        input=SPEAK,  # not an argument: journald records command lines
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert scene.returncode == 0, scene.stderr
    warning, failure, large = map(json.loads, scene.stdout.splitlines())
    assert warning["MESSAGE"] == "Khách đang chờ ***"
    assert (warning["PRIORITY"], warning["JOB"], warning["RUN_ID"]) == ("4", "nightly", "41")
    assert warning["ALERT"] == "late:1"
    assert (warning["SYSLOG_IDENTIFIER"], warning["LOGGER"]) == ("roundsman", "roundsman.night")
    assert warning["_TRANSPORT"] == "journal"
    assert failure["MESSAGE"].startswith("It failed\nTraceback")
    assert failure["MESSAGE"].endswith("ValueError: ***")
    assert "ALERT" not in failure
    assert len(large["MESSAGE"]) == 600_006
    assert "sup3r-secret" not in scene.stdout
