"""Runs: how many a second, how soon a step begins, how soon all is well again after kill -9.

A drain is timed from the first step's start until the store itself says that every run has ended, acks included. The
worker is the whole daemon as users start it. Pick-ups are timed from the call that submits to the step's first line.
Every function takes the URL of an empty store, which its caller makes and removes.
"""

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from benchmarks.process import DaemonProcess, running
from benchmarks.run_daemon import STEPS_LOG, app, order_input
from roundsman.app.composition import App
from roundsman.runs.desk import Order

PATIENCE_S = 120.0
LOOK_EVERY_S = 0.02
PAUSES_S = (0.05, 0.15)
"""Between two submissions to an idle engine."""
BATCH = 100
"""Runs in one submission: a program that has many to submit submits them together."""
CHECKOUT = Path(__file__).parent.parent
DAEMON = (sys.executable, "-m", "benchmarks.run_daemon", "run")

_LEFT = text(
    "SELECT EXISTS (SELECT 1 FROM runs WHERE status IN ('queued', 'running', 'waiting', 'paused'))"
    " OR EXISTS (SELECT 1 FROM queue_messages)"
)


class Place:
    """A store, a queue and a log of steps."""

    def __init__(self, folder: Path, store: str, queue: str | None, concurrency: int) -> None:
        self._folder = folder
        self._log = folder / "steps"
        self._settings = {
            "ROUNDSMAN_STATE_DIR": str(folder),
            "DATABASE_URL": store,
            "WORKER_CONCURRENCY": str(concurrency),
            "LOG_LEVEL": "warning",
        }
        if queue is not None:
            self._settings |= {"QUEUE_TYPE": "redis", "REDIS_URL": queue}

    @contextmanager
    def daemon(self) -> Iterator[DaemonProcess]:
        """A running daemon."""
        more = {"PYTHONPATH": str(CHECKOUT), STEPS_LOG: str(self._log)}
        with running(self._folder, DAEMON, **self._settings, **more) as process:
            yield process

    @contextmanager
    def app(self) -> Iterator[App]:
        """Our own hands on the same store."""
        os.environ[STEPS_LOG] = str(self._log)
        with app(self._settings, self._folder) as made:
            yield made

    def lines(self) -> list[tuple[str, int, int]]:
        """What steps wrote: S or E, number, monotonic nanoseconds."""
        if not self._log.exists():
            return []
        rows = (line.split() for line in self._log.read_text().splitlines())
        return [(what, int(number), int(at)) for what, number, at in rows]


@contextmanager
def place(store: str, queue: str | None = None, concurrency: int = 8) -> Iterator[Place]:
    """A place for one measurement."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # never in memory, where an fsync costs nothing
        yield Place(Path(folder), store, queue, concurrency)


def three_steps(store: str, runs: int) -> float:
    """Runs a second, end to end: submitted by the process that drives them."""
    with place(store) as at, at.app() as made:
        made.runs.engine.start()
        begun = time.perf_counter()
        _submit(made, "three_steps", runs)
        _until(lambda: not _left(made))
        seconds = time.perf_counter() - begun
        made.runs.engine.stop()
        if len(at.lines()) != 3 * runs:
            raise AssertionError(f"{len(at.lines())} steps were executed instead of {3 * runs}")
    return runs / seconds


def one_step(store: str, queue: str | None, runs: int) -> float:
    """Runs a second of a drain: all are waiting when the daemon starts."""
    with place(store, queue) as at, at.app() as made:
        _submit(made, "one_step", runs)
        with at.daemon():
            _until(lambda: not _left(made) and (queue is None or _messages(made) == 0))
            ended_ns = time.monotonic_ns()
        lines = at.lines()
        if {number for _, number, _ in lines} != set(range(runs)):
            raise AssertionError("some runs were not executed")
    return runs / ((ended_ns - min(at_ns for _, _, at_ns in lines)) / 1e9)


def pickup(store: str, samples: int) -> list[float]:
    """Milliseconds from a submission in another process to the start of the step, on an idle daemon."""
    with place(store) as at, at.app() as made, at.daemon():
        return _pickups(at, made, samples)


def pickup_in_process(store: str, samples: int) -> list[float]:
    """The same within the process of the engine."""
    with place(store) as at, at.app() as made:
        made.runs.engine.start()
        try:
            return _pickups(at, made, samples)
        finally:
            made.runs.engine.stop()


def pickup_after_idle(store: str, idle_s: float) -> float:
    """Milliseconds for one run from another process after so many seconds without any."""
    with place(store) as at, at.app() as made, at.daemon():
        _pick_up(at, made, 0)
        time.sleep(idle_s)
        return _pick_up(at, made, 1)


def crash(store: str, queue: str | None, jobs: int, job_s: float, in_flight: int) -> Mapping[str, float]:
    """kill -9 of the daemon with its first runs in flight, and a new one at once."""
    with place(store, queue, concurrency=in_flight) as at, at.app() as made:
        made.runs.desk.submit_all([Order("lasting", order_input(n, seconds=job_s)) for n in range(jobs)])
        with at.daemon() as first:
            _until(lambda: len(at.lines()) >= in_flight)
            first.kill()
            killed_ns = time.monotonic_ns()
        with at.daemon():
            _until(lambda: not _left(made))
        lines = at.lines()
    ended = {number: at_ns for what, number, at_ns in reversed(lines) if what == "E"}
    starts = [number for what, number, _ in lines if what == "S"]
    return {
        "all_done_s": (max(ended.values()) - killed_ns) / 1e9,
        "lost": float(jobs - len(ended)),
        "twice": float(sum(starts.count(number) > 1 for number in set(starts))),
    }


def _submit(made: App, workflow: str, runs: int) -> None:
    for start in range(0, runs, BATCH):
        numbers = range(start, min(start + BATCH, runs))
        made.runs.desk.submit_all([Order(workflow, order_input(number)) for number in numbers])


def _pickups(at: Place, made: App, samples: int) -> list[float]:
    rng = random.Random(20260303)
    _pick_up(at, made, 0)
    taken = []
    for number in range(1, samples + 1):
        time.sleep(rng.uniform(*PAUSES_S))
        taken.append(_pick_up(at, made, number))
    return taken


def _pick_up(at: Place, made: App, number: int) -> float:
    begun_ns = time.monotonic_ns()
    made.runs.desk.submit(Order("one_step", order_input(number)))
    _until(lambda: len(at.lines()) > number)
    what, ran, at_ns = at.lines()[-1]
    if (what, ran) != ("S", number):
        raise AssertionError(f"run {ran} began instead of {number}")
    return (at_ns - begun_ns) / 1e6


def _left(made: App) -> bool:
    with made.store.read() as connection:
        return bool(connection.execute(_LEFT).scalar_one())


def _messages(made: App) -> int:
    return sum(each.ready + each.delayed + each.held + each.leased for each in made.runs.queue.depth().values())


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError("it does not come to an end")
        time.sleep(LOOK_EVERY_S)
