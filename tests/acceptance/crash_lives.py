"""Lives of `crashing_child.py`, and the grounds on which they take place: empty stores and queues."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from driven_runs import ClockAhead, Ground
from redis_server import RedisServer
from servers import TEMPLATE, PostgresServer
from sqlalchemy.engine import URL

from roundsman.queues.base import Queue, QueueOptions

LEASE_S = 3_600.0
"""Longer than any test: whatever waits for the lease of a dead process is stuck."""
SQS_LEASE_S = 30.0
"""SQS does not tell whose messages a process held that died between receiving and claiming: time frees them, and the
tests let it pass."""
NAMES = {"sqlite": (), "postgres": ("postgres",), "sqlite-redis": (), "postgres-redis": ("postgres",), "sqlite-sqs": ()}
"""Store and queue, with the marks of their tests."""
ALL = [pytest.param(name, marks=[getattr(pytest.mark, mark) for mark in marks]) for name, marks in NAMES.items()]
CHEAP = ALL[:3]
DEAR = ("postgres", "postgres-redis", "sqlite-sqs")
"""Where a life takes longest."""
STORES = ALL[:2]

NOW = timedelta(0)
KILLED = -signal.SIGKILL


class Lives:
    """The process that brings them forth."""

    def __init__(self) -> None:
        self._host = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("crashing_child.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, ground: Ground, **plan: Any) -> int:
        """Returns its PID."""
        return self._ask("live", {"ground": asdict(ground), **plan})

    def wait(self, pid: int) -> int:
        """For its end: the exit code, or the signal with a minus."""
        return self._ask("wait", pid)

    def live(self, ground: Ground, kill_at: str | None, ahead: timedelta, *, inside: bool = False) -> int:
        """Try one run from begin to end, or to its point; `inside`: submitted while the engine serves."""
        return self.wait(self.begin(ground, kill_at=kill_at, ahead_s=ahead.total_seconds(), inside=inside))

    def drain(
        self, ground: Ground, *, workers: int = 1, ahead: timedelta = NOW, longest_s: int = 20, submit: int = 0
    ) -> int:
        """Drive whatever there is until nothing is left, and submit up to so many; returns the PID at once."""
        return self.begin(ground, workers=workers, ahead_s=ahead.total_seconds(), longest_s=longest_s, submit=submit)

    def close(self) -> None:
        self._host.communicate(timeout=30)

    def _ask(self, command: str, what: Any) -> int:
        assert self._host.stdin is not None
        assert self._host.stdout is not None
        self._host.stdin.write(json.dumps([command, what]) + "\n")
        self._host.stdin.flush()
        return int(self._host.stdout.readline())


@contextmanager
def lives() -> Iterator[Lives]:
    host = Lives()
    try:
        yield host
    finally:
        host.close()


class Grounds:
    """Makes grounds of one sort, each of its own."""

    def __init__(self, sort: str, request: pytest.FixtureRequest, folder: Path, stack: ExitStack) -> None:
        self.sort = sort
        self._store, _, self._queue = sort.partition("-")
        self._folder = folder
        self._count = 0
        folder.mkdir()
        if self._store == "sqlite":
            self._template: Path = request.getfixturevalue("sqlite_template")
        else:
            self._postgres: PostgresServer = request.getfixturevalue("postgres_server")
        if self._queue == "sqs":
            self._account = stack.enter_context(request.getfixturevalue("sqs_server").account())
        elif self._queue == "redis":
            self._redis: RedisServer = request.getfixturevalue("redis_server")

    @contextmanager
    def one(self) -> Iterator[Ground]:
        """Store and queue are empty and nobody else's."""
        self._count += 1
        folder = self._folder / f"ground-{self._count}"
        folder.mkdir()
        with self._database(folder) as url, self._place() as place:
            lease_s = SQS_LEASE_S if self._queue == "sqs" else LEASE_S
            yield Ground(str(folder), url.render_as_string(hide_password=False), lease_s, **place)
        shutil.rmtree(folder)  # a failed test leaves its last one

    def pass_time(self, by: timedelta) -> None:
        """For a queue that has a time of its own."""
        if self._queue == "sqs":
            self._account.pass_time(by)

    @contextmanager
    def _database(self, folder: Path) -> Iterator[URL]:
        if self._store == "sqlite":
            shutil.copy(self._template, folder / "roundsman.db")
            yield URL.create("sqlite", database=str(folder / "roundsman.db"))
            return
        with self._postgres.database(template=TEMPLATE) as url:
            yield url

    @contextmanager
    def _place(self) -> Iterator[Mapping[str, Any]]:
        if self._queue == "redis":
            name = f"t-{token_hex(8)}"
            yield {"redis": (self._redis.url, name)}
            with self._redis.client() as client:
                for key in client.scan_iter(f"{{{name}}}:*", count=1_000):
                    client.unlink(key)
        elif self._queue == "sqs":
            place = self._account.place(self._account.make_queue(fifo=False), self._account.make_queue(fifo=False))
            yield {"sqs": asdict(place)}
        else:
            yield {}


def at_once(sort: str) -> int:
    """How many work well beside each other. SQS delays by whole seconds: lives there wait more than they work."""
    return 6 if sort.endswith("-sqs") else 2


@contextmanager
def grounds(request: pytest.FixtureRequest, sort: str, folder: Path, count: int = 1) -> Iterator[list[Grounds]]:
    """For so many who work beside each other."""
    with ExitStack() as stack:
        yield [Grounds(sort, request, folder / str(number), stack) for number in range(count)]


@contextmanager
def queue_of(ground: Ground) -> Iterator[Queue | None]:
    """The queue elsewhere, to look at; None if it is in the store."""
    queue = ground.remote(QueueOptions("onlooker"), ClockAhead(timedelta(0)))
    try:
        yield queue
    finally:
        if queue is not None:
            queue.close()
