"""A few threads that share out pages between them, for a bounded time.

Each page is worked on in short pieces and then goes back to the end of the line, so that neither a page with a week to
read nor one that answers slowly keeps the others waiting. Threads of our own, as a pool's are joined at the
interpreter's exit: a page that hangs must not keep the process from ending.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from roundsman.scheduling.job import StoppedError, StopToken

T = TypeVar("T")

_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 3.0
"""How long threads are waited for that were told to stop: one may be inside a request."""


class Crew(Generic[T]):
    """Works off a line. `piece` does a bit of one thing, and tells whether more of it is left."""

    def __init__(self, things: Sequence[T], piece: Callable[[T], bool], stop: StopToken) -> None:
        self._line = deque(things)
        self._piece = piece
        self._stop = stop
        self._lock = threading.Lock()
        self._error: BaseException | None = None

    def work(self, threads: int, is_over: Callable[[], bool]) -> None:
        """Until nothing is left, the time is over, or the stop token is set (raises StoppedError then).

        What a piece raises ends all of it and is raised here.
        """
        crew = [
            threading.Thread(target=self._run, args=(is_over,), name=f"pancake-{number}", daemon=True)
            for number in range(min(threads, len(self._line)))
        ]
        for each in crew:
            each.start()
        for each in crew:
            while each.is_alive() and not self._stop.is_set():
                each.join(_LOOK_SECONDS)
        if self._stop.is_set():
            for each in crew:
                each.join(_GRACE_SECONDS)
            self._stop.check()
        if self._error is not None:
            raise self._error

    def _run(self, is_over: Callable[[], bool]) -> None:
        while (thing := self._next(is_over)) is not None:
            try:
                if self._piece(thing[0]):
                    self._line.append(thing[0])
            except StoppedError:
                return
            except BaseException as error:  # noqa: BLE001  it is raised in the thread that waits
                self._error = self._error or error
                return

    def _next(self, is_over: Callable[[], bool]) -> tuple[T] | None:
        with self._lock:
            if self._error is not None or self._stop.is_set() or is_over() or not self._line:
                return None
            return (self._line.popleft(),)
