"""The one connection of this process that writes to a SQLite store, for one thread at a time.

SQLite lets a second writer sleep and try again, up to 100 ms at a time, so threads of one process queue here instead;
other processes are waited for by SQLite itself. And it keeps the pages that a connection has read or written for as
long as nobody else has written: with a connection of its own for each transaction, all of them would be read again.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from roundsman.errors import StoreError
from roundsman.repositories.connections import WRITING


class SqliteWriter:
    """`busy` is what a writer is told who has waited in vain."""

    def __init__(self, engine: Engine, patience_s: float, busy: str) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._patience_s = patience_s
        self._busy = busy
        self._connection: Connection | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Nobody else of this process writes. Raises StoreError."""
        if not self._lock.acquire(timeout=self._patience_s):
            raise StoreError(self._busy)
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Committed when the block ends, rolled back when it raises. Raises StoreError, and the driver's errors."""
        with self.turn():
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(**{WRITING: True})
            try:
                with self._connection.begin():
                    yield self._connection
            except (DBAPIError, sqlite3.Error):
                self._let_go()  # whatever is the matter with it
                raise

    def close(self) -> None:
        """Until the next transaction."""
        with self.turn():
            self._let_go()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
