"""The store's connection: SQLite in WAL mode with full durability by default, PostgreSQL by URL.

Transactions are explicit and short: `with store.write() as connection` commits at the end or leaves nothing.
On SQLite a write transaction takes the write lock at its begin (BEGIN IMMEDIATE). A transaction that begins by
reading and writes later cannot wait for another writer (SQLite answers "locked" at once when the snapshot is
stale), whereas one that begins as a writer waits its turn up to the busy timeout.

Driver errors never travel up raw: they carry the URL, the statement and its parameters. Each is translated into
one sentence that says what an administrator can do.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from roundsman.errors import StoreError
from roundsman.repositories.connections import WRITING, postgresql_engine, sqlite_engine
from roundsman.repositories.sqlite_writer import SqliteWriter

BUSY_TIMEOUT_MS = 5_000
"""How long a SQLite writer waits for another one; our own transactions take milliseconds."""


@dataclass(frozen=True)
class StoreOptions:
    """Where the store is. `url` may hold a password, so it is kept out of the repr."""

    url: URL
    pool_size: int = 5
    ssl: bool = False
    ssl_verify: bool = True
    """With `ssl`: also check the server's certificate against the system's authorities."""
    busy_timeout_ms: int = BUSY_TIMEOUT_MS
    foreign_keys: bool = True
    """SQLite: off only while a migration rebuilds a table; dropping the old one would empty those that refer to it."""

    def __repr__(self) -> str:
        return f"StoreOptions({self.place})"

    @property
    def place(self) -> str:
        """Where the data lies, safe to print."""
        if self.url.drivername == "sqlite":
            return self.url.database or "memory"
        # a password may also be an option after the `?`
        shown = {name: value for name, value in self.url.query.items() if name in ("host", "port")}
        return self.url.set(query=shown).render_as_string(hide_password=True)


def parse_url(value: str) -> URL:
    """Read a database URL; `postgres://` and `postgresql://` mean psycopg.

    Raises ValueError with one sentence that does not repeat the value (it may hold a password).
    """
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError(
            "is not a database URL; write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        return url.set(drivername="sqlite")
    raise ValueError(f"names the database {url.drivername!r}; only sqlite and postgresql are supported")


class Store:
    """One database, shared by all threads. `read` and `write` are its only two ways in."""

    def __init__(self, options: StoreOptions) -> None:
        self.options = options
        self._writer: SqliteWriter | None = None
        if options.url.drivername == "sqlite":
            patience_ms = options.busy_timeout_ms
            self.engine = sqlite_engine(
                options.url,
                pool_size=options.pool_size,
                busy_timeout_ms=patience_ms,
                foreign_keys=options.foreign_keys,
            )
            busy = _SENTENCES["database is locked"].format(place=self.place)
            self._writer = SqliteWriter(self.engine, patience_ms / 1000, busy)
        else:
            self.engine = postgresql_engine(
                options.url, pool_size=options.pool_size, ssl=options.ssl, ssl_verify=options.ssl_verify
            )

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @property
    def place(self) -> str:
        """Where the data lies, safe to print."""
        return self.options.place

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; whatever is written in it is thrown away."""
        with self._translated(), self.engine.connect() as connection:
            connection.begin()  # not by the first statement: some go past SQLAlchemy
            yield connection

    @contextmanager
    def write(self, prepare: Callable[[Connection], None] | None = None) -> Iterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        `prepare` runs before it on the same connection, without SQLite's write lock: it may fill temporary tables.
        Raises StoreError: the database is locked, full, read-only, damaged or unreachable.
        """
        with self._translated():
            if self._writer is not None and prepare is None:
                with self._writer.transaction() as connection:
                    yield connection
                return
            with self.engine.connect() as connection:
                if prepare is not None:
                    # SQLite keeps them on the disk of TMPDIR, which may be full while the store's is not.
                    with self._translated(f"temporary files or {self.place}"), connection.begin():
                        prepare(connection)
                turn = self._writer.turn() if self._writer is not None else nullcontext()
                with turn, connection.execution_options(**{WRITING: True}).begin():
                    yield connection

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self.engine.dispose()

    @contextmanager
    def _translated(self, place: str | None = None) -> Iterator[None]:
        try:
            yield
        except PoolTimeout:
            raise StoreError(
                f"All {self.options.pool_size} database connections were busy for 30 s; raise DB_POOL_SIZE."
            ) from None
        except (DBAPIError, sqlite3.Error) as error:
            sentence = _sentence(error, place or self.place)
            if sentence is None:
                raise
            raise StoreError(sentence) from None


_SENTENCES = {
    "database is locked": "The database {place} is locked by another program; close that or wait, then try again.",
    "database or disk is full": "The disk that holds {place} is full; free some space. Nothing was half-written.",
    "readonly database": "The database {place} is read-only; let this user write the file and its folder.",
    "unable to open database file": "The database {place} cannot be opened; its folder must exist and be writable.",
    "file is not a database": "The file {place} is not a SQLite database; correct DATABASE_URL or restore a backup.",
    "disk image is malformed": "The database {place} is damaged; restore the newest file of the backups folder.",
    "disk I/O error": "The disk under {place} reports an input/output error; check it before anything else.",
}
"""Fragments of SQLite's own messages (its C source, errmsg table), which carry no error code through sqlite3."""


def _sentence(error: DBAPIError | sqlite3.Error, place: str) -> str | None:
    """What to tell a person, or None for a fault of our own that deserves its traceback."""
    cause = str(error.orig if isinstance(error, DBAPIError) else error).strip().partition("\n")[0]
    for fragment, sentence in _SENTENCES.items():
        if fragment in cause:
            return sentence.format(place=place)
    lost = error.connection_invalidated if isinstance(error, DBAPIError) else False
    if lost or isinstance(error, OperationalError | sqlite3.OperationalError):
        return f"The database {place} does not answer ({_without_url(cause)}); check that it runs and the DB_ settings."
    return None


def _without_url(cause: str) -> str:
    """The driver's reason, cut to one clause; libpq never repeats the password, but a URL is dropped anyway."""
    return " ".join(word for word in cause.split() if "://" not in word)[:200]


def ping(store: Store) -> None:
    """One round trip. Raises StoreError."""
    with store.read() as connection:
        connection.execute(text("SELECT 1"))


def upserting(connection: Connection) -> Any:
    """The `insert` that knows ON CONFLICT: it belongs to the dialect, with the same words in both.

    Imported here and not above, as the PostgreSQL dialect costs 70 ms and 5 MiB that a SQLite store need not pay.
    """
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert
