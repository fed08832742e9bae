"""Where a process can be killed: before and after each commit that changes the store, each call of a queue elsewhere,
each thing done outside, each delivery.

A point is named by its thread, by what happens there and for the how many-th time in this thread, as threads run in no
fixed order among each other. A commit without a change and a look into an empty queue have no name: they come as often
as they like, and a kill there is a kill between its neighbours.
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

from roundsman.queues.base import Queue
from roundsman.repositories.engine import Store

_CALLS = ("enqueue", "dequeue", "ack", "nack", "bury", "extend", "release")


class Points:
    """The points of this process."""

    def __init__(self, kill_at: str | None) -> None:
        self.names: list[str] = []
        self._kill_at = kill_at
        self._counts: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def around(self, what: str) -> Iterator[None]:
        """Two points, if the block succeeds."""
        self.before(what)
        yield
        self.after(what)

    def before(self, what: str) -> None:
        self._pass(what, 1, "before")

    def after(self, what: str) -> None:
        self._counts[threading.current_thread().name, what] += 1
        self._pass(what, 0, "after")

    def _pass(self, what: str, ahead: int, moment: str) -> None:
        thread = threading.current_thread().name
        name = f"{thread}: {moment} {what} {self._counts[thread, what] + ahead}"
        if name == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if name not in self.names:
            self.names.append(name)


class WatchedQueue:
    """A queue elsewhere with points around its calls."""

    def __init__(self, queue: Queue, points: Points) -> None:
        self._queue, self._points = queue, points

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._queue, name)
        return self._watched(name, found) if name in _CALLS else found

    def _watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(what: Any, *more: Any) -> Any:
            if not what:
                return call(what, *more)
            self._points.before(name)
            answer = call(what, *more)
            if answer or name != "dequeue":
                self._points.after(name)
            return answer

        return watched


def watch_commits(store: Store, points: Points) -> None:
    """Points around every commit that changes something."""
    engine = store.engine
    commit = engine.dialect.do_commit

    def watched(connection: Any) -> None:
        if not _has_changed(store, connection):
            commit(connection)
            return
        with points.around("commit"):
            commit(connection)

    engine.dialect.do_commit = watched  # type: ignore[method-assign, assignment]
    event.listen(engine, "begin", _begin_counting)


def _begin_counting(connection: Connection) -> None:
    raw: Any = connection.connection.dbapi_connection
    connection.info["changes"] = getattr(raw, "total_changes", 0)


def _has_changed(store: Store, connection: Any) -> bool:
    driver = connection.dbapi_connection
    if store.dialect == "postgresql":  # which numbers a transaction when it changes something for the first time
        return bool(driver.execute("SELECT pg_current_xact_id_if_assigned()").fetchone() != (None,))
    return bool(driver.total_changes > connection.info.get("changes", 0))
