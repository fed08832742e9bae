"""What reaches the dispatcher's thread: alarms, ends of runs, probes, and the order to quit."""

import contextlib
import queue
import threading
import time
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

    def put(self, item: Item) -> None:
        self._queue.put(item)

    def take(self, wait_s: float | None) -> list[Item]:
        """What came in, waiting at most so long for the first (None: until there is one).

        Ends of runs are in no hurry: they gather for a moment, so that many of them cost one commit and do not
        compete with runs that are just beginning.
        """
        items: list[Item] = []
        with contextlib.suppress(queue.Empty):
            items.append(self._queue.get(timeout=wait_s))
            until = time.monotonic() + GATHER_ENDS_FOR.total_seconds()
            while True:
                in_no_hurry = wait_s != 0.0 and all(isinstance(item, Ended) for item in items)
                items.append(self._queue.get(timeout=max(until - time.monotonic(), 0.0) if in_no_hurry else 0.0))
        return items
