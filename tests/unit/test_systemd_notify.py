"""What systemd hears, on real AF_UNIX sockets, in the file system and abstract."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from roundsman.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@roundsman-{uuid.uuid4().hex}"
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name.replace("@", "\0", 1))
        listening.settimeout(5)
        yield listening


@pytest.fixture
def notifier(manager: socket.socket) -> Iterator[Notifier]:
    connected = Notifier()
    yield connected
    connected.close()


def heard(manager: socket.socket) -> list[str]:
    return manager.recv(4096).decode().split("\n")


def test_ready_carries_its_status(manager: socket.socket, notifier: Notifier) -> None:
    notifier.ready("3 jobs")
    assert heard(manager) == ["READY=1", "STATUS=3 jobs"]


def test_a_status_is_one_line_of_printable_text(manager: socket.socket, notifier: Notifier) -> None:
    notifier.status("two\nREADY=1\tand \x1b[2J more " + "x" * 1000)
    (line,) = heard(manager)
    assert line.startswith("STATUS=two READY=1 and [2J more xxx")
    assert len(line) < 450


def test_a_vietnamese_status_arrives_whole(manager: socket.socket, notifier: Notifier) -> None:
    notifier.status("đang chờ 3 khách")
    assert heard(manager) == ["STATUS=đang chờ 3 khách"]


def test_a_status_with_broken_text_still_arrives(manager: socket.socket, notifier: Notifier) -> None:
    notifier.status(f"job {os.fsdecode(bytes([0xE9]))}")
    assert heard(manager)[0].startswith("STATUS=job")


def test_reloading_tells_the_monotonic_time(manager: socket.socket, notifier: Notifier) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    first, second = heard(manager)
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_stopping_extension_and_sign_of_life(manager: socket.socket, notifier: Notifier) -> None:
    notifier.stopping("draining 1 run")
    notifier.extend_timeout(timedelta(seconds=2.5))
    notifier.watchdog()
    assert heard(manager) == ["STOPPING=1", "STATUS=draining 1 run"]
    assert heard(manager) == ["EXTEND_TIMEOUT_USEC=2500000"]
    assert heard(manager) == ["WATCHDOG=1"]


def test_a_manager_that_does_not_read_does_not_block_the_daemon(manager: socket.socket, notifier: Notifier) -> None:
    before = time.monotonic()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while filler.sendto(b"x", manager.getsockname()):
                pass
    notifier.watchdog()
    assert time.monotonic() - before < 5


def test_a_manager_that_is_gone_is_not_an_error(manager: socket.socket, notifier: Notifier) -> None:
    manager.close()
    notifier.ready("alone")


def test_after_close_nothing_is_told(manager: socket.socket, notifier: Notifier) -> None:
    notifier.close()
    notifier.status("late")
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        heard(manager)


def test_without_a_manager_nothing_happens_and_the_package_is_not_imported() -> None:
    code = """
import sys
from datetime import timedelta
from roundsman.systemd import Notifier
notifier = Notifier()
notifier.ready("x"); notifier.status("x"); notifier.reloading(); notifier.stopping("x")
notifier.extend_timeout(timedelta(1)); notifier.watchdog()
sys.exit(notifier.connected or "sdnotify" in sys.modules)
"""
    environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_the_watchdog_limit_is_read_for_this_process_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    assert Notifier.watchdog_interval() is None
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    assert Notifier.watchdog_interval() == timedelta(seconds=30)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert Notifier.watchdog_interval() == timedelta(seconds=30)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    assert Notifier.watchdog_interval() is None


@pytest.mark.parametrize("value", ["", "0", "soon", "-5"])
def test_an_odd_watchdog_limit_means_no_watchdog(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", value)
    assert Notifier.watchdog_interval() is None
