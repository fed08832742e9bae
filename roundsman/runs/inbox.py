"""What reaches the engine's thread: ends of steps, recorded calls, submissions, and knocks of all sorts.

Every submission that gets in is answered, whatever becomes of the engine: after the inbox is closed none gets in, and
those that were there are declined.
"""

import contextlib
import queue
import threading
from dataclasses import dataclass

from roundsman.runs.held import CallMade, StepEnded
from roundsman.runs.submission import Submission


class Look:
    """The queue may have something, or the room has changed."""


@dataclass(frozen=True)
class Probe:
    """Somebody wants to know whether the thread gets through."""

    answered: threading.Event


Item = StepEnded | CallMade | Submission | Look | Probe


class Inbox:
    """Filled by any thread, emptied by the engine's."""

    def __init__(self) -> None:
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._rung = False
        self._lock = threading.Lock()
        self._reader: int | None = None
        """The thread that takes submissions."""

    # --- for any thread ---

    def put(self, item: StepEnded | CallMade) -> None:
        """A worker has something to tell."""
        self._items.put(item)

    def wake(self) -> None:
        """There may be something to look for. Many are one."""
        if not self._rung:
            self._rung = True
            self._items.put(Look())

    def probe(self, seconds: float) -> bool:
        """True when the reader gets through within so long."""
        answered = threading.Event()
        self._items.put(Probe(answered))
        return answered.wait(seconds)

    def offer(self, submission: Submission) -> bool:
        """True: it will be answered. False: nobody takes any, or none but the caller, who would wait for himself."""
        with self._lock:
            if self._reader is None or self._reader == threading.get_ident():
                return False
            self._items.put(submission)
        return True

    # --- for the reader ---

    def open(self) -> None:
        """From now on the calling thread takes submissions."""
        with self._lock:
            self._reader = threading.get_ident()

    def close(self) -> None:
        """It takes none any more."""
        with self._lock:
            self._reader = None
        for item in self.take(0):
            if isinstance(item, Submission):
                item.decline()
            else:
                self._items.put(item)

    def looked(self) -> None:
        """A `Look` was taken. Not to be said while the inbox is emptied: a wake that comes then would silence all later
        ones."""
        self._rung = False

    def take(self, seconds: float) -> list[Item]:
        """All that is there; waits so long for the first one."""
        items: list[Item] = []
        with contextlib.suppress(queue.Empty):
            items.append(self._items.get(timeout=seconds) if seconds > 0 else self._items.get_nowait())
            while True:
                items.append(self._items.get_nowait())
        return items
