"""What reaches the dispatcher's thread: alarms, ends of runs, probes, and the order to quit."""

import contextlib
import queue
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from roundsman.scheduling.ledger import Origin, RunReport

GATHER_ENDS_FOR = timedelta(milliseconds=20)


@dataclass(frozen=True)
class Rung:
    """A job may be due; with `due_at`, for this one tick beside its schedule."""

    job: str
    due_at: datetime | None
    origin: Origin


@dataclass(frozen=True)
class Ended:
    """A run has ended."""

    job: str
    report: RunReport


@dataclass(frozen=True)
class Probe:
    """Somebody wants to know whether the thread gets through."""

    answered: threading.Event


class Quit:
    """End the thread once everything is written."""


Item = Rung | Ended | Probe | Quit


class Inbox:
    """A queue that is emptied as a whole. `put` may be called from any thread."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._hurry = threading.Event()

    def put(self, item: Item) -> None:
        self._queue.put(item)
        if not isinstance(item, Ended):
            self._hurry.set()

    def take(self, wait_s: float | None) -> list[Item]:
        """What came in, waiting at most so long for the first (None: until there is one).

        Ends of runs are in no hurry: they gather for a moment, so that many of them cost one commit. Meanwhile the
        thread sleeps, for to wake at each of them would hold up runs that are just beginning.
        """
        try:
            first = self._queue.get(timeout=wait_s)
        except queue.Empty:
            return []
        if isinstance(first, Ended) and wait_s != 0.0:
            self._hurry.wait(GATHER_ENDS_FOR.total_seconds())
        self._hurry.clear()  # before the queue is emptied: what comes later sets it again
        items = [first]
        with contextlib.suppress(queue.Empty):
            while True:
                items.append(self._queue.get_nowait())
        return items
