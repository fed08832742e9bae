"""A daemon as a process of its own: started as systemd would, spoken to by signals, watched through its store, its log
and its notifications. Nothing here sleeps for luck: everything is waited for, with a limit."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy.engine import URL

from roundsman.owner import Owner
from roundsman.repositories.engine import Store, StoreOptions
from roundsman.repositories.tick_history import TickRecord
from roundsman.repositories.ticks import TickRepository
from roundsman.scheduling.trigger import parse_trigger

PATIENCE_S = 30.0
"""For anything that takes a second on an idle machine."""
LOOK_EVERY_S = 0.02
TRIAL = Path(__file__).with_name("trial_daemon.py")
PRODUCT = Path(__file__).parents[2] / "daemon.py"

T = TypeVar("T")


def until(look: Callable[[], T], what: str, within: float = PATIENCE_S) -> T:
    """Look again and again until the answer is true; returns it."""
    deadline = time.monotonic() + within
    while True:
        answer = look()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what}: not within {within:.0f} s"
        time.sleep(LOOK_EVERY_S)


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


class Notifications:
    """What a process told its service manager, in order. The socket has an abstract name: paths may be too long."""

    def __init__(self) -> None:
        self.address = f"@roundsman-test-{uuid.uuid4()}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + self.address[1:])
        self._texts: list[str] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while text := self._socket.recv(8192).decode():
            self._texts.append(text)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", "\0" + self.address[1:])
        self._thread.join(PATIENCE_S)
        self._socket.close()

    def lines(self) -> list[str]:
        """All assignments so far, such as READY=1."""
        return [line for text in list(self._texts) for line in text.splitlines()]

    def count(self, assignment: str) -> int:
        return self.lines().count(assignment)


@dataclass
class DaemonProcess:
    """One daemon. Use as a context manager: what is left in the end is killed."""

    process: "subprocess.Popen[bytes]"
    notifications: Notifications
    log_file: Path

    def __enter__(self) -> "DaemonProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)
        self.notifications.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def ready(self) -> "DaemonProcess":
        """Wait for READY=1."""
        until(lambda: self._ended() or self.notifications.count("READY=1"), "READY=1")
        assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log()}"
        return self

    def _ended(self) -> bool:
        return self.process.poll() is not None

    def notified(self, assignment: str, times: int = 1) -> None:
        until(lambda: self.notifications.count(assignment) >= times, assignment)

    def logged(self, text: str, within: float = PATIENCE_S) -> None:
        until(lambda: text in self.log(), f"{text!r} in the log", within)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ends(self, within: float = PATIENCE_S) -> int:
        """Wait for its end; returns the exit code."""
        return self.process.wait(within)

    def stop(self, within: float = PATIENCE_S) -> int:
        self.signal(signal.SIGTERM)
        return self.ends(within)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP until the end of the block."""
        self.signal(signal.SIGSTOP)
        until(lambda: _state(self.pid) == "T", "the process stands still")
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


@dataclass
class Place:
    """A state folder with its store, where daemons and commands are started."""

    state: Path
    url: URL | None = None
    """None is SQLite in the state folder."""
    jobs: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    program: Path = TRIAL
    elsewhere: Path | None = None
    """Where logs and notes go if the state folder is no place for them."""
    started: int = 0

    @property
    def file(self) -> Path:
        """The SQLite store."""
        return self.state / "roundsman.db"

    @property
    def notes_file(self) -> Path:
        return (self.elsewhere or self.state) / "notes"

    def environment(self, **settings: str) -> dict[str, str]:
        clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        url = (
            {}
            if self.url is None
            else {"DATABASE_URL": self.url.set(drivername="postgresql").render_as_string(hide_password=False)}
        )
        return {
            **clean,
            "ROUNDSMAN_STATE_DIR": str(self.state),
            "TRIAL_JOBS": self.jobs,
            "TRIAL_FILE": str(self.notes_file),
            **url,
            **self.settings,
            **settings,
        }

    def start(self, **settings: str) -> DaemonProcess:
        """Start a daemon; it is not ready yet. Its working directory, where `.env` may lie, is the state folder."""
        self.started += 1
        log_file = (self.elsewhere or self.state) / f"log-{self.started}"
        notifications = Notifications()
        environment = {**self.environment(**settings), "NOTIFY_SOCKET": notifications.address}
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, self.program, "run"], env=environment, cwd=self.state, stdout=log, stderr=log
            )
        return DaemonProcess(process, notifications, log_file)

    @contextmanager
    def begin(self, *words: str, **settings: str) -> Iterator["subprocess.Popen[str]"]:
        """Start a command; it is killed if it is not done in the end."""
        with subprocess.Popen(
            [sys.executable, self.program, *words],
            env=self.environment(**settings),
            cwd=self.state,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def command(self, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        with self.begin(*words, **settings) as process:
            output, complaints = process.communicate(timeout=PATIENCE_S)
        return subprocess.CompletedProcess(words, process.returncode, output, complaints)

    def notes(self) -> list[str]:
        """The lines that jobs left."""
        return self.notes_file.read_text().splitlines() if self.notes_file.exists() else []

    def pids(self) -> list[int]:
        """Of the processes that a job told of."""
        return [int(line.split()[1]) for line in self.notes() if line.startswith("pid ")]

    @contextmanager
    def store(self) -> Iterator[Store]:
        url = self.url or URL.create("sqlite", database=str(self.file))
        with closing(Store(StoreOptions(url))) as store:
            yield store

    def rows(self, job: str | None = None) -> list[TickRecord]:
        """The ledger, by due time."""
        with self.store() as store, store.read() as connection:
            records = TickRepository(store, Owner.this_process()).history(connection, job, limit=100_000)
        return records[::-1]

    def row(self, job: str) -> TickRecord:
        """The only row of a job."""
        (row,) = self.rows(job)
        return row

    def ended(self, job: str, within: float = PATIENCE_S) -> TickRecord:
        """Wait until the only run of a job has its outcome."""
        until(lambda: any(row.outcome for row in self.rows(job)), f"an outcome of {job}", within)
        return self.row(job)

    def runs(self, job: str, count: int, within: float = PATIENCE_S) -> None:
        """Wait until a job has as many finished runs more than now."""
        before = len(self.finished(job))
        until(lambda: len(self.finished(job)) >= before + count, f"{count} runs of {job}", within)

    def finished(self, job: str) -> list[TickRecord]:
        return [row for row in self.rows(job) if row.outcome is not None]


def assert_every_tick_has_one_row(rows: list[TickRecord], schedule: str) -> None:
    """Between the first and the last row of a schedule nothing is missing and nothing is double."""
    assert rows
    first, last = rows[0].due_at, rows[-1].due_at
    expected = parse_trigger(schedule, ZoneInfo("UTC")).between(first - timedelta(microseconds=1), last)
    assert [row.due_at for row in rows] == list(expected)


def executions(place: Place, job: str) -> Counter[datetime]:
    """How often each tick was run, by the word of the job itself."""
    lines = [line.split() for line in place.notes()]
    return Counter(datetime.fromisoformat(words[2]).astimezone(UTC) for words in lines if words[:2] == ["ran", job])


def states(rows: list[TickRecord]) -> Mapping[str, int]:
    return Counter(row.state.value for row in rows)
