"""Statements that go past SQLAlchemy to PostgreSQL's driver, and do not wait for each other where that is of use.

A statement on its own costs a journey to the server and back. In a transaction of many that need no answer of each
other, most of the time goes by with waiting: the server for the next statement, and this thread for the server and
then for its turn in the interpreter. `pipelined` sends them one behind the other (the manual of libpq, "Pipeline
Mode"), so that the server is at one while the next is put together here, and looks at what came of them at the end of
the block. Statements whose rows are read may stand among them; those wait for all that were sent before.

SQLite is in this process, and nothing is ever on its way to it: there `pipelined` does nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from roundsman.repositories.connections import driver_of

_EXPECTED = "roundsman_expected"


class _Expected(NamedTuple):
    """How many rows a statement was to touch."""

    cursor: Any
    rows: int
    missed: type[Exception]


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """What is sent in this block was done when it ends, unless it raises what the first to fail would have raised.

    SQLAlchemy's own statements are not for such a block: it would take an answer that is still to come for none.
    """
    if connection.dialect.name == "sqlite":
        yield
        return
    expected: list[_Expected] = []
    info = connection.info  # which nobody can ask for any more when the connection is lost
    info[_EXPECTED] = expected
    try:
        with driving(connection) as driver, driver.pipeline():
            yield
    except DBAPIError:
        # Its reason may be that one before it had touched too few. Those that came to nothing with it have no count
        for each in expected:
            if each.cursor.rowcount >= 0:
                _check(each)
        raise
    finally:
        info.pop(_EXPECTED, None)
    for each in expected:
        _check(each)


def send(connection: Connection, text: str, values: Sequence[Any], rows: int, missed: type[Exception] | None) -> None:
    """Execute a statement that returns no rows. Raises `missed` if it did not touch so many; see `pipelined`."""
    with driving(connection) as driver:
        cursor = driver.execute(text, values)
    if missed is not None:
        expected = _Expected(cursor, rows, missed)
        later: list[_Expected] | None = connection.info.get(_EXPECTED)
        if later is None:
            _check(expected)
        else:
            later.append(expected)


@contextmanager
def driving(connection: Connection) -> Iterator[Any]:
    """PostgreSQL's driver, with its errors told as SQLAlchemy tells them."""
    driver = driver_of(connection)
    dialect = connection.dialect
    try:
        yield driver
    except dialect.loaded_dbapi.Error as error:
        is_lost = dialect.is_disconnect(error, driver, None)
        told = DBAPIError.instance(
            None, None, error, dialect.loaded_dbapi.Error, hide_parameters=True, connection_invalidated=is_lost,
            dialect=dialect,
        )  # fmt: skip
        if is_lost:
            connection.invalidate(error)
        raise told from error


def _check(expected: _Expected) -> None:
    if expected.cursor.rowcount != expected.rows:
        raise expected.missed
