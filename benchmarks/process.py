"""A daemon under measurement: started as systemd would, with a notification socket, and looked at from outside."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 30.0
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
ROUNDSMAN = (str(Path(sys.executable).with_name("roundsman")), "run")


class DaemonProcess:
    """A running daemon that has said READY=1."""

    def __init__(self, process: "subprocess.Popen[bytes]", ready_s: float) -> None:
        self.process = process
        self.ready_s = ready_s
        """From exec to READY=1."""

    def rss_mib(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def cpu_s(self) -> float:
        """User and system time so far, also of ended children."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return sum(int(field) for field in stat[11:15]) / _TICKS_PER_SECOND


@contextmanager
def running(state_dir: Path, command: Sequence[str] = ROUNDSMAN, **settings: str) -> Iterator[DaemonProcess]:
    """Start a daemon on its own state, and stop it in the end."""
    address = state_dir / "notify"
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(address))
        notify.settimeout(PATIENCE_S)
        environment = {**clean, "ROUNDSMAN_STATE_DIR": str(state_dir), "NOTIFY_SOCKET": str(address), **settings}
        begun = time.monotonic()
        with (state_dir / "log").open("ab") as log:
            process = subprocess.Popen(list(command), env=environment, stdout=log, stderr=log, cwd=state_dir)
        try:
            while b"READY=1" not in notify.recv(4096):
                pass
            yield DaemonProcess(process, time.monotonic() - begun)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
            address.unlink()
