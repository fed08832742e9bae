"""Statements that go past SQLAlchemy to PostgreSQL's driver, and do not wait for each other where that is of use.

A statement on its own costs a journey to the server and back. In a transaction of many that need no answer of each
other, most of the time goes by with waiting: the server for the next statement, and this thread for the server and
then for its turn in the interpreter. Those of a `pipelined` block are gathered and sent in one go (the manual of libpq,
"Pipeline Mode"), when the block ends or a statement asks for rows.

They are gathered first because the server must not wait in the middle of a pipeline: it ends a transaction that is idle
for too long, but does not call that idle, and a process that is cut off there would keep its locks for hours. Should it
happen all the same, `forsaken` ends such a transaction.

SQLite is in this process, and nothing is ever on its way to it: there `pipelined` does nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from roundsman.repositories.connections import driver_of

_GATHERED = "roundsman_gathered"


class _Gathered(NamedTuple):
    """A statement that is to be sent."""

    text: str
    values: Any
    prepare: bool | None
    rows: int
    """How many it is to touch."""
    missed: type[Exception] | None
    """Raised if it did not; None: nobody minds."""


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """What is sent in this block was done when it ends, unless it raises what the first to fail would have raised.

    SQLAlchemy's own statements are not for such a block: they would overtake those that are gathered.
    """
    if connection.dialect.name == "sqlite":
        yield
        return
    info = connection.info  # which nobody can ask for any more when the connection is lost
    info[_GATHERED] = []
    try:
        yield
        _send_gathered(connection)
    finally:
        info.pop(_GATHERED, None)


def send(
    connection: Connection,
    text: str,
    values: Any,
    *,
    rows: int = 0,
    missed: type[Exception] | None = None,
    prepare: bool | None = None,
) -> None:
    """Execute a statement that returns no rows. Raises `missed` if it did not touch so many; see `pipelined`."""
    statement = _Gathered(text, values, prepare, rows, missed)
    gathered: list[_Gathered] | None = connection.info.get(_GATHERED)
    if gathered is not None:
        gathered.append(statement)
        return
    with _driving(connection) as driver:
        cursor = driver.execute(text, values, prepare=prepare)
    _check(cursor, statement)


@contextmanager
def asking(connection: Connection) -> Iterator[Any]:
    """PostgreSQL's driver, for a statement that returns rows, with its errors told as SQLAlchemy tells them."""
    _send_gathered(connection)
    with _driving(connection) as driver:
        yield driver


def _send_gathered(connection: Connection) -> None:
    gathered: list[_Gathered] | None = connection.info.get(_GATHERED)
    if not gathered:
        return
    statements, gathered[:] = tuple(gathered), []
    done: list[tuple[Any, _Gathered]] = []
    try:
        with _driving(connection) as driver, driver.pipeline():
            for each in statements:
                cursor = driver.execute(each.text, each.values, prepare=each.prepare)
                done.append((cursor, each))
    except DBAPIError:
        # Its reason may be that one before it had touched too few. Those that came to nothing with it have no count
        for cursor, each in done:
            if cursor.rowcount >= 0:
                _check(cursor, each)
        raise
    for cursor, each in done:
        _check(cursor, each)


@contextmanager
def _driving(connection: Connection) -> Iterator[Any]:
    driver = driver_of(connection)
    dialect = connection.dialect
    try:
        yield driver
    except dialect.loaded_dbapi.Error as error:
        # Ended by the server in the midst of a pipeline, it is left in that mode, and cannot even be rolled back
        is_lost = dialect.is_disconnect(error, driver, None) or bool(driver.info.pipeline_status)
        told = DBAPIError.instance(
            None, None, error, dialect.loaded_dbapi.Error, hide_parameters=True, connection_invalidated=is_lost,
            dialect=dialect,
        )  # fmt: skip
        if is_lost:
            connection.invalidate(error)
        raise told from error


def _check(cursor: Any, statement: _Gathered) -> None:
    if statement.missed is not None and cursor.rowcount != statement.rows:
        raise statement.missed
