"""A hand-written statement that both databases run, past SQLAlchemy's own handling of parameters, types and rows.

For batches that must cost microseconds a row, building and caching a statement object costs more than the database
does. The text is written once, in the words of SQLite, with words of our own:

    :name                   a value; times are converted, lists become what the next two expect
    AMONG :names            one of the values of a list
    EACH :names             the texts of a list as rows, column `each.value`
    FOR UPDATE SKIP LOCKED  left away on SQLite, where a write transaction is alone; and FOR UPDATE
    STEADY                  a column that nobody reads; from then on PostgreSQL makes steady plans in this transaction

Steady plans: for a table whose statistics are old or not there yet, PostgreSQL believes that it would find two rows,
and rather reads and sorts the whole million than walk along an index that has the order. What it must not do is
use a bitmap of an index, which forgets the order.

SQLite uses a partial index only when its condition stands literally in the statement, so conditions are never values.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from roundsman.repositories.columns import UtcTime
from roundsman.repositories.connections import driver_of
from roundsman.repositories.pipeline import asking, send

_TIME = UtcTime()


class Statement:
    """One statement. `run` raises what `Store` translates."""

    def __init__(self, text: str) -> None:
        self._sqlite = _in_words_of_sqlite(text)
        self._postgresql = _in_words_of_postgresql(text)
        self._returns_rows = text.lstrip().startswith("SELECT") or "RETURNING" in text

    def run(self, connection: Connection, **values: Any) -> list[Any]:
        """Execute it once; the tuples that come back hold the driver's values: see `read_time`."""
        if connection.dialect.name == "sqlite":
            rows: list[Any] = driver_of(connection).execute(self._sqlite, _plain(connection, values)).fetchall()
            return rows
        # A plan that PostgreSQL remembers for a prepared statement was made when the table was as small as it was then:
        # made for an empty queue, it reads the whole table for each claim from a million. So none is remembered.
        if not self._returns_rows:
            send(connection, self._postgresql, _plain(connection, values), prepare=False)
            return []
        with asking(connection) as driver:
            found: list[Any] = driver.execute(self._postgresql, _plain(connection, values), prepare=False).fetchall()
            return found

    def text(self, dialect: str) -> str:
        """As the driver of that database is given it."""
        return self._sqlite if dialect == "sqlite" else self._postgresql


def read_time(connection: Connection, value: Any) -> datetime:
    """What the driver gave of a time that is there, as aware UTC."""
    moment: datetime = _TIME.result_processor(connection.dialect, None)(value)
    return moment


def read_json(texts: Sequence[str]) -> list[Any]:
    """The values of a JSON column, selected as `CAST(... AS text)`: in one go, a third of the time of one by one."""
    values: list[Any] = json.loads(f"[{','.join(texts)}]")
    return values


def _plain(connection: Connection, values: dict[str, Any]) -> dict[str, Any]:
    sqlite = connection.dialect.name == "sqlite"
    for name, value in values.items():
        if isinstance(value, datetime):
            values[name] = _TIME.bind_processor(connection.dialect)(value)
        elif isinstance(value, list):
            if sqlite:
                values[name] = json.dumps(value)
            elif value and type(value[0]) is int:  # the driver's own way takes longer than the statement
                values[name] = f"{{{','.join(map(str, value))}}}"
    return values


def _in_words_of_sqlite(text: str) -> str:
    text = re.sub(r"AMONG (:\w+)", r"IN (SELECT value FROM json_each(\1))", text)
    text = re.sub(r"EACH (:\w+)", r"json_each(\1) AS each", text)
    text = re.sub(r"\bSTEADY\b", "NULL", text)
    return re.sub(r"\s+FOR UPDATE( SKIP LOCKED)?", "", text)


def _in_words_of_postgresql(text: str) -> str:
    text = re.sub(r"AMONG (:\w+)", r"= ANY(\1)", text)
    text = re.sub(r"EACH (:\w+)", r"unnest(CAST(\1 AS text[])) AS each(value)", text)
    text = re.sub(r"\bSTEADY\b", "set_config('enable_bitmapscan', 'off', true)", text)
    return re.sub(r":(\w+)", r"%(\1)s", text)
