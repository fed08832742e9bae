"""How connections to both databases are made: durable, with times after which nobody waits any longer."""

import sqlite3
import time
from functools import partial
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

WRITING = "roundsman_write"
"""The execution option of a connection whose transactions write."""

IDLE_TRANSACTION_S = 30
"""After this PostgreSQL takes back the locks of a transaction whose program went out of sight in the middle of it: it
would hear of that after hours, and all others wait for them. Ours take milliseconds; a lease is as long."""

REST_S = 0.1
"""A connection that was used just now is good, as far as a ping could tell: what has come since may come in the middle
of a transaction as well. While much is going on, pings would take a tenth of the time."""

_USED_AT = "roundsman_used_at"


def sqlite_engine(url: URL, *, pool_size: int, busy_timeout_ms: int, foreign_keys: bool) -> Engine:
    """Nothing is opened yet."""
    patience_s = busy_timeout_ms / 1000

    def set_pragmas(connection: Any, _record: ConnectionPoolEntry) -> None:
        _switch_to_wal(connection, patience_s)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")

    engine = create_engine(
        url,
        pool_size=max(pool_size, 5),
        max_overflow=20,
        hide_parameters=True,  # they are people's data, and no business of a traceback
        # autocommit mode of the driver: BEGIN is ours (see _begin)
        connect_args={"timeout": patience_s, "isolation_level": None},
    )
    event.listen(engine, "connect", set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def postgresql_engine(url: URL, *, pool_size: int, ssl: bool, ssl_verify: bool) -> Engine:
    """Nothing is connected to yet."""
    # A server that vanished without a word is noticed within half a minute, not by the kernel's default of two hours.
    arguments: dict[str, Any] = {
        "connect_timeout": 5,
        "application_name": "roundsman",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
    }
    if ssl:
        arguments["sslmode"] = "verify-full" if ssl_verify else "require"
        if ssl_verify:
            arguments["sslrootcert"] = url.query.get("sslrootcert") or _authorities()
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=5,
        pool_use_lifo=True,  # the connection that knows our statements best
        connect_args=arguments,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _bound_idleness)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", partial(_ping_after_rest, engine.dialect))
    return engine


def _switch_to_wal(connection: Any, patience_s: float) -> None:
    """Two processes that open a new file at once: one of them is told "locked" without the busy timeout's wait."""
    give_up_at = time.monotonic() + patience_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= give_up_at:
                raise
            time.sleep(0.005)


def _begin(connection: Connection) -> None:
    writing = connection.get_execution_options().get(WRITING, False)
    driver_of(connection).execute("BEGIN IMMEDIATE" if writing else "BEGIN")


def driver_of(connection: Connection) -> Any:
    """The driver's own connection, for statements that go past SQLAlchemy.

    It is in the transaction that was begun; its errors are its own, and `Store` translates them as well.
    """
    return connection.connection.dbapi_connection


def _bound_idleness(connection: Any, _record: ConnectionPoolEntry) -> None:
    # Not by libpq's `options`, which a PgBouncer in between refuses
    connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_TRANSACTION_S}s'")
    connection.commit()


def _note_use(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info[_USED_AT] = time.monotonic()


def _ping_after_rest(dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    used_at = record.info.get(_USED_AT)
    if used_at is None or time.monotonic() - used_at < REST_S:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error  # makes a new one, and pings no other that is as old


def _authorities() -> str:
    """The system's certificate authorities, as a file.

    libpq's own word for them, `system`, means the OpenSSL inside psycopg's wheel, which looks in a folder that no
    machine has: every certificate would be refused.
    """
    import ssl

    import certifi

    return ssl.get_default_verify_paths().cafile or certifi.where()
