"""The bell on PostgreSQL: a connection of its own that listens for notifications, and is made again when it breaks.

A connection pooler that hands each transaction to another session (PgBouncer in transaction mode) lets no
notification through: give the daemon the database itself.
"""

import logging
import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from roundsman.queues.bell import CHANNEL
from roundsman.repositories.engine import Store
from roundsman.retry import backoff

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = timedelta(milliseconds=100), timedelta(seconds=5)
"""Between attempts to connect again."""


class NotificationListening:
    """One listener: a thread that sleeps on its connection."""

    def __init__(self, store: Store, on_ring: Callable[[], None]) -> None:
        self._store = store
        self._on_ring = on_ring
        self._closer, self._closed = socket.socketpair()
        self._thread = threading.Thread(target=self._listen, name="bell", daemon=True)
        self._thread.start()

    def ill(self) -> str | None:
        return None if self._thread.is_alive() else "the thread that listens for new work has died"

    def close(self) -> None:
        with suppress(OSError):  # it has ended
            self._closer.send(b"c")
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _listen(self) -> None:
        failures = 0
        with self._closed, self._closer:
            while True:
                try:
                    if self._hear(self._connect()):
                        return
                    failures = 0
                except (psycopg.Error, SQLAlchemyError):
                    pass
                failures += 1
                if failures == 1:
                    log.warning("The connection that listens for new work was lost; connecting again.")
                if self._is_closed(backoff(failures, first=FIRST_PAUSE, most=LONGEST_PAUSE)):
                    return

    def _connect(self) -> Any:
        connection = self._store.engine.raw_connection()
        connection.detach()  # it stays ours: the pool may open another one
        driver: Any = connection.dbapi_connection
        driver.autocommit = True
        driver.execute(f"LISTEN {CHANNEL}")
        return driver

    def _hear(self, driver: Any) -> bool:
        """True: we are closed. False or psycopg.Error: the connection is lost."""
        poll = select.poll()
        poll.register(driver.fileno(), select.POLLIN)
        poll.register(self._closed, select.POLLIN)
        try:
            self._on_ring()  # for what was enqueued while nobody listened
            while not driver.closed:
                ready = {descriptor for descriptor, _ in poll.poll()}
                if self._closed.fileno() in ready:
                    return True
                if list(driver.notifies(timeout=0)):
                    self._on_ring()
            return False
        finally:
            driver.close()

    def _is_closed(self, within: timedelta) -> bool:
        return bool(select.select([self._closed], [], [], within.total_seconds())[0])
