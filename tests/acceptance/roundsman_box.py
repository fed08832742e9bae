"""A box with Roundsman installed the way an administrator does it: by install.sh, from a copy of this checkout."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from systemd_box import SystemdBox

CHECKOUT = Path(__file__).parents[2]
SOURCE = "/srv/checkout"
"""The copy inside. The checkout itself may lie where a box sees nothing: in /tmp, or on another mount."""
SAMPLE = "/srv/sample.json"
UNIT = "roundsman.service"
SOON = timedelta(seconds=20)
"""Far more than anything here takes; a busy machine is no failure."""


class RoundsmanBox(SystemdBox):
    """The box, and what the tests ask of Roundsman in it."""

    def __init__(self) -> None:
        super().__init__()
        self._began = 0.0
        names = ["README.md", "LICENSE", "pyproject.toml", "constraints.txt", "daemon.py"]
        for name in ("config", "jobs", "roundsman", "deploy", "docs", "tests/acceptance"):
            unwanted = shutil.ignore_patterns("__pycache__")
            shutil.copytree(CHECKOUT / name, self.root / SOURCE[1:] / name, ignore=unwanted)
        for name in names:
            shutil.copy(CHECKOUT / name, self.root / SOURCE[1:] / name)
        uv = Path(sys.executable).parent / "uv"
        if uv.exists():  # the installer takes pip otherwise, and half a minute
            shutil.copy(uv, self.root / "usr/local/bin/uv")
        sample = [sys.executable, str(CHECKOUT / "samples/generate.py"), "--out", str(self.root / SAMPLE[1:])]
        subprocess.run(sample, check=True, cwd=CHECKOUT, stdout=subprocess.DEVNULL)

    # --- the administrator ---

    def install(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run(f"{SOURCE}/deploy/systemd/install.sh", *arguments, check=check)

    def roundsman(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The installed command, as root."""
        return self.run("roundsman", *arguments, check=check)

    def systemctl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("systemctl", *arguments, check=check)

    def set(self, *lines: str) -> None:
        """Write the settings file."""
        self.put("/etc/roundsman/roundsman.env", "".join(f"{line}\n" for line in lines), mode=0o640)
        self.run("chown", "root:roundsman", "/etc/roundsman/roundsman.env")

    def drop_in(self, *lines: str) -> None:
        """Change the unit, as `systemctl edit` does."""
        self.put("/etc/systemd/system/roundsman.service.d/test.conf", "".join(f"{line}\n" for line in lines))
        self.systemctl("daemon-reload")

    def begin(self, settings: Iterable[str] = (), unit: Iterable[str] = ()) -> None:
        """A stopped daemon with an empty store; the journal of before is out of sight."""
        self.systemctl("stop", UNIT, check=False)
        self.systemctl("reset-failed", UNIT, check=False)
        self.run("sh", "-c", "rm -rf /var/lib/roundsman/* /etc/roundsman/credentials/*")
        self.set(*settings)
        # a test does not want to wait for the delay before a restart
        self.drop_in("[Service]", "RestartSec=100ms", *unit)
        self._began = time.time()

    # --- what can be seen ---

    def state(self) -> dict[str, str]:
        return self.show(
            UNIT, "ActiveState", "SubState", "Result", "StatusText", "MainPID", "NRestarts", "ExecMainStatus"
        )

    def entries(self, *matches: str) -> list[dict[str, Any]]:
        """The unit's journal since `begin`."""
        # Not --after-cursor: systemd 252 then drops the first entry that matches
        return self.journal(f"--unit={UNIT}", f"--since=@{self._began:.6f}", *matches)

    def messages(self, *matches: str) -> str:
        return "\n".join(str(entry["MESSAGE"]) for entry in self.entries(*matches))

    def says(self, text: str) -> None:
        """Wait until the unit's journal holds this text."""
        self.eventually(lambda: text in self.messages(), f"the journal says {text!r}", SOON)

    def becomes(self, **properties: str) -> None:
        """Wait for `systemctl show` to say so."""
        self.eventually(
            lambda: properties.items() <= self.state().items(), f"{properties}, but it is {self.state()}", SOON
        )

    def main_pid(self) -> int:
        return int(self.state()["MainPID"])

    def json(self, *arguments: str) -> Any:
        """What a command prints with --json."""
        return json.loads(self.roundsman(*arguments, "--json").stdout)
