"""How a process hears that something was enqueued in the store, without asking again and again.

Whoever enqueues rings: on PostgreSQL with a notification that is part of his transaction, on SQLite after his commit
with a datagram to a socket beside the file. Whoever waits listens. A ring says no more than "look again": it may come
twice, or for something that another one has taken already, and one may be lost with a process that is killed between
its commit and its ring. So a listener on SQLite also looks once a second whether the file has changed.
"""

from collections.abc import Callable
from typing import Protocol

from sqlalchemy import Connection

from roundsman.repositories.engine import Store
from roundsman.repositories.place import sqlite_file

CHANNEL = "roundsman_queue"
"""Of PostgreSQL's notifications; each database has its own."""

OnRing = Callable[[], None]
"""Called from any thread; must be quick, and may be called when there is nothing."""


class Listening(Protocol):
    """Somebody who listens until he is closed."""

    def ill(self) -> str | None:
        """Why nothing is heard any more."""
        ...

    def close(self) -> None:
        """When it returns, `on_ring` is not called any more."""
        ...


class Bell:
    """The bell of one store, for one process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        file = sqlite_file(store.options.url)
        if file is not None:
            from roundsman.queues.bell_sockets import SocketBell

            self._sockets: SocketBell | None = SocketBell(file)
        else:
            self._sockets = None

    def in_transaction(self, connection: Connection) -> None:
        """Before the commit of the transaction that enqueued."""
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_notify(%s, '')", (CHANNEL,))

    def after_commit(self) -> None:
        """After it. Never fails and never waits: who could not be told finds out by himself."""
        if self._sockets is not None:
            self._sockets.ring()

    def listen(self, on_ring: OnRing) -> Listening:
        """Call `on_ring` whenever there may be something new, until closed. Raises StoreError."""
        if self._sockets is not None:
            return self._sockets.listen(on_ring, self._store)
        from roundsman.queues.bell_notifications import NotificationListening

        return NotificationListening(self._store, on_ring)
