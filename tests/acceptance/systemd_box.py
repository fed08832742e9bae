"""A machine in a box: a real systemd as PID 1 of its own namespaces, on a throw-away overlay of this root.

What happens in it stays in it: files go to a tmpfs, processes die with their init, limits live in control groups
of its own. It shares the network and the clock with the host. `/tmp`, `/run` and `/dev` are empty at every boot,
and other mounts of the host are not visible, so whatever a test needs must be put in with `put`.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
DISK = "1g"
"""Most that a box may write; memory is used only for what it does write."""
BOOT_TIMEOUT = timedelta(seconds=30)
POLL_SECONDS = 0.2

_TARGET = """\
[Unit]
Description=The little that a box starts, and what is enabled for a usual boot
Requires=sysinit.target
Wants=systemd-journald.service dbus.socket multi-user.target
After=sysinit.target
AllowIsolate=yes
"""
_UNWANTED = (
    "getty.target", "systemd-logind.service", "systemd-user-sessions.service", "systemd-update-utmp-runlevel.service",
    "systemd-ask-password-wall.path", "systemd-firstboot.service", "systemd-timesyncd.service", "rc-local.service",
    "systemd-networkd.service", "systemd-resolved.service", "apt-daily.timer", "apt-daily-upgrade.timer",
    "systemd-sysctl.service", "systemd-modules-load.service",
)  # fmt: skip
"""What a distribution starts and a test does not need (the last two would change the kernel of the host); masked."""

_ENTER = "--mount --pid --uts --ipc --cgroup"
_NAMESPACES = "--pid --mount --uts --ipc --cgroup --fork --kill-child=SIGKILL --propagation private"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED_ON = ("pip_", "uv_", "ssl_cert_", "http_proxy", "https_proxy", "all_proxy", "no_proxy")
"""How to reach a package index from here holds inside, too."""


def missing() -> str | None:
    """Why no box can be booted here; None when it can."""
    if os.geteuid() != 0:
        return "booting a systemd needs root"
    for tool in ("unshare", "nsenter", "mount", "systemctl", "dbus-daemon"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed (tests/install_servers.sh installs it)"
    if not Path("/usr/lib/systemd/systemd").exists():
        return "systemd is not installed (tests/install_servers.sh installs it)"
    return None


class SystemdBox:
    """One machine: boot, run commands, cut its power, boot again from the same disk."""

    def __init__(self) -> None:
        self.work = Path(tempfile.mkdtemp(prefix="roundsman-box-", dir="/run"))
        self.root = self.work / "root"
        self._name = f"{self.work.name}-{uuid.uuid4().hex[:6]}"
        self._groups: list[Path] = []
        self._outer: subprocess.Popen[bytes] | None = None
        self._init = 0
        # a file system of its own, since the upper layer must not lie inside the lower one
        _host("mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", str(self.work))
        for folder in ("upper", "scratch", "root"):
            (self.work / folder).mkdir()
        layers = f"lowerdir=/,upperdir={self.work}/upper,workdir={self.work}/scratch"
        _host("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root))
        self._furnish()

    def _furnish(self) -> None:
        (self.root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
        units = self.root / "etc/systemd/system"
        for path in list(units.iterdir()):  # what the host would start
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        (units / "sdbox.target").write_text(_TARGET)
        for name in _UNWANTED:
            (units / name).symlink_to("/dev/null")
        shutil.rmtree(self.root / "var/log/journal", ignore_errors=True)
        (self.root / "var/log/journal").mkdir(parents=True)  # makes the journal persistent

    # --- power ---

    def boot(self) -> Self:
        """Start it and wait until its systemd has done all that it wants to do."""
        self._groups = _make_groups(self._name)

        def join_groups() -> None:
            for group in self._groups:
                (group / "cgroup.procs").write_text(str(os.getpid()))

        with (self.work / "console").open("ab") as console:
            self._outer = subprocess.Popen(
                ["unshare", *_NAMESPACES.split(), "bash", str(HERE / "sdbox_init.sh")],
                env={"PATH": _PATH, "R": str(self.root)},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                preexec_fn=join_groups,
                start_new_session=True,
            )
        self.eventually(self._booted, "the box has booted", BOOT_TIMEOUT)
        return self

    def _booted(self) -> bool:
        assert self._outer is not None
        if self._outer.poll() is not None:
            raise RuntimeError(f"the box died while booting: {(self.work / 'console').read_text()}")
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        if not children or Path(f"/proc/{children[0]}/comm").read_text().strip() != "systemd":
            return False
        self._init = int(children[0])
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")

    def cut_power(self) -> None:
        """Everything in it is gone at once; its disk stays."""
        assert self._outer is not None
        os.kill(self._init, signal.SIGKILL)
        self._outer.wait(10)
        self._sweep_groups()

    def power_off(self) -> None:
        """An orderly shutdown."""
        assert self._outer is not None
        self.run("systemctl", "poweroff", check=False)
        self._outer.wait(60)
        self._sweep_groups()

    def close(self) -> None:
        """Leave nothing behind, whatever state it is in."""
        if self._outer is not None and self._outer.poll() is None:
            os.killpg(self._outer.pid, signal.SIGKILL)  # takes init along: --kill-child
            self._outer.wait(10)
        self._sweep_groups()
        for mounted in (self.root, self.work):
            _host("umount", "--lazy", str(mounted))
        self.work.rmdir()

    def _sweep_groups(self) -> None:
        for group in self._groups:
            # the kernel needs a moment to let go of the last processes
            self.eventually(partial(_remove_group, group), f"{group} is empty", timedelta(seconds=10))
        self._groups = []

    # --- what goes on inside ---

    def run(
        self, *command: str, check: bool = True, env: Mapping[str, str] | None = None, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root. With `check` a failure raises with what it said."""
        passed_on = {name: value for name, value in os.environ.items() if name.lower().startswith(_PASSED_ON)}
        done = subprocess.run(
            ["nsenter", "--target", str(self._init), *_ENTER.split(), *command],
            env={"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", **passed_on, **(env or {})},
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
            timeout=180,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)} gave {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file inside (before or while it runs, outside of /tmp, /run and /dev)."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(mode)

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """`systemctl show`."""
        lines = self.run("systemctl", "show", unit, *(f"--property={name}" for name in properties)).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines)

    def journal(self, *arguments: str) -> list[dict[str, Any]]:
        """The entries that `journalctl` finds, oldest first."""
        self.run("journalctl", "--sync")
        lines = self.run("journalctl", "--output=json", "--all", "--no-pager", *arguments).stdout.splitlines()
        return [json.loads(line) for line in lines]

    @staticmethod
    def eventually(holds: Callable[[], object], what: str, within: timedelta) -> None:
        """Wait for something that another process does. Raises AssertionError when it does not."""
        end = time.monotonic() + within.total_seconds()
        while not holds():
            if time.monotonic() > end:
                raise AssertionError(f"not within {within.total_seconds():.0f} s: {what}")
            time.sleep(POLL_SECONDS)


def _host(*command: str) -> None:
    subprocess.run(command, check=True)


def _make_groups(name: str) -> list[Path]:
    """A control group for the box in every hierarchy, below that of this process."""
    groups = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        top = Path("/sys/fs/cgroup", controllers.removeprefix("name=") or "unified")
        if not controllers and not top.exists():
            top = top.parent  # cgroup v2 alone
        base = top / path.strip("/")
        group = base / name
        group.mkdir()
        if controllers == "cpuset":  # a new one is empty and takes no process
            for file in ("cpuset.cpus", "cpuset.mems"):
                (group / file).write_text((base / file).read_text())
        groups.append(group)
    return groups


def _remove_group(group: Path) -> bool:
    folders: Sequence[Path] = [group, *(path for path in group.rglob("*") if path.is_dir())] if group.exists() else ()
    for folder in reversed(folders):
        try:
            folder.rmdir()
        except OSError:
            return False
    return True
