"""Many rows in one statement, for the tables through which every run passes: at both databases' own pace.

SQLite is fastest when one prepared statement is executed row by row inside the process (`executemany`). On
PostgreSQL each row would be a message to the server and back through its executor, so there the rows travel as one
array per column and one statement joins them (`unnest`). The arrays are written here as texts, as the driver's own
conversion of lists took as long as everything else together. Rows are plain tuples in the order of the named columns;
Python objects are converted as the column's type does it everywhere else. The statements' texts hold only names out of
our own tables (so `noqa: S608`); every value is bound.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Connection, Dialect, Float, Integer, Table, Text
from sqlalchemy.types import JSON, TypeEngine

from roundsman.repositories.columns import UtcTime
from roundsman.repositories.connections import driver_of
from roundsman.repositories.pipeline import send

_Row = Sequence[Any]
_encode = json.JSONEncoder().encode
_Convert = Callable[[Any], Any]

# The first that fits; a subclass stands before its base
_ARRAYS: Sequence[tuple[type, str, str]] = (
    (UtcTime, "timestamptz[]", ""),
    (JSON, "text[]", "::json"),
    (Boolean, "boolean[]", ""),
    (BigInteger, "bigint[]", ""),
    (Integer, "integer[]", ""),
    (Float, "double precision[]", ""),
    (Text, "text[]", ""),
)


class JsonText(str):
    """A value of a JSON column that is a text already, as whoever judged it had to make one."""

    __slots__ = ()


class _Statement:
    """Text for each database, made once, and the converters of its columns."""

    def __init__(self, columns: Sequence[Column[Any]], sqlite: str, postgresql: str) -> None:
        self._columns = columns
        self._texts = {"sqlite": sqlite, "postgresql": postgresql}
        self._converters: dict[str, list[tuple[int, _Convert]]] = {}

    def execute(self, connection: Connection, rows: Sequence[_Row], missed: type[Exception] | None = None) -> None:
        """Execute for all rows. Raises `missed` if fewer rows of the table were touched; see `pipelined`."""
        if not rows:
            return
        name = connection.dialect.name
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for place, convert in self._converters_for(connection):
            columns[place] = _converted(columns[place], convert)
        if name == "sqlite":
            changed = driver_of(connection).executemany(self._texts[name], zip(*columns, strict=True)).rowcount
            if missed is not None and changed != len(rows):
                raise missed
        else:
            send(connection, self._texts[name], tuple(map(_literal, columns)), rows=len(rows), missed=missed)

    def _converters_for(self, connection: Connection) -> list[tuple[int, _Convert]]:
        dialect = connection.dialect
        found = self._converters.get(dialect.name)
        if found is None:
            found = self._converters[dialect.name] = [
                (place, convert)
                for place, column in enumerate(self._columns)
                if (convert := _converter(column.type, dialect)) is not None
            ]
        return found


class InsertRows(_Statement):
    """`rows` fill these columns of a new row each."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        chosen = [table.c[name] for name in columns]
        names = ", ".join(columns)
        super().__init__(
            chosen,
            f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(columns))})",  # noqa: S608  our own names
            f"INSERT INTO {table.name} ({names})"  # noqa: S608
            f" SELECT {', '.join(_taken('v', column) for column in chosen)} FROM {_unnest(chosen)}",
        )


class UpsertRows(_Statement):
    """`rows` fill these columns of a new row each, or of the one that has the same key, the first column.

    One that is there and for which `where` does not hold is passed over; the new row's values are `excluded.NAME`.
    """

    def __init__(self, table: Table, columns: Sequence[str], *, where: str = "") -> None:
        chosen = [table.c[name] for name in columns]
        names = ", ".join(columns)
        taken = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
        conflict = f"ON CONFLICT ({columns[0]}) DO UPDATE SET {taken}{f' WHERE {where}' if where else ''}"
        super().__init__(
            chosen,
            f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(columns))}) {conflict}",  # noqa: S608
            f"INSERT INTO {table.name} ({names})"  # noqa: S608
            f" SELECT {', '.join(_taken('v', column) for column in chosen)} FROM {_unnest(chosen)} {conflict}",
        )


class UpdateRows(_Statement):
    """`rows` hold the keys of the row to change, then the new values; `fixed` is assigned to every one of them.

    A row for which `where` does not hold, a condition on columns that are neither keys nor values, is passed over.
    """

    def __init__(
        self, table: Table, keys: Sequence[str], values: Sequence[str], *, fixed: str = "", where: str = ""
    ) -> None:
        key_columns = [table.c[name] for name in keys]
        value_columns = [table.c[name] for name in values]
        fixed = f", {fixed}" if fixed else ""
        where = f" AND {where}" if where else ""
        # SQLite numbers its placeholders: the keys come first in a row and last in the statement
        numbered = {name: place for place, name in enumerate([*keys, *values], start=1)}
        taken = ", ".join(f"{column.name} = {_taken('v', column)}" for column in value_columns)
        super().__init__(
            [*key_columns, *value_columns],
            f"UPDATE {table.name} SET {', '.join(f'{name} = ?{numbered[name]}' for name in values)}{fixed}"  # noqa: S608
            f" WHERE {' AND '.join(f'{name} = ?{numbered[name]}' for name in keys)}{where}",
            f"UPDATE {table.name} AS t SET {taken}{fixed} FROM {_unnest([*key_columns, *value_columns])}"  # noqa: S608
            f" WHERE {' AND '.join(f't.{name} = v.{name}' for name in keys)}{where}",
        )


def _converter(kind: TypeEngine[Any], dialect: Dialect) -> _Convert | None:
    if isinstance(kind, Text):
        return _storable
    if isinstance(kind, JSON):
        return _json  # the driver's own for PostgreSQL makes an object of it that is no text
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _storable(text: str | None) -> str | None:
    """Without what no database takes in a text: NUL, and halves of surrogate pairs (names of files may hold some).

    What a run says, or fails with, is anybody's text, and must not stop those that are written with it.
    """
    if text is None or (text.isascii() and "\0" not in text):
        return text
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def _json(value: Any) -> str | None:
    if type(value) is JsonText:
        return str(value)  # a plain one: drivers look twice at subclasses
    if value == {}:
        return "{}"
    return None if value is None else _encode(value)


def _converted(values: Iterable[Any], convert: _Convert) -> list[Any]:
    """Equal neighbours are the rule (the time of the batch), so each is converted once."""
    converted: list[Any] = []
    last, answer = object(), None
    for value in values:
        if value is not last:
            last, answer = value, convert(value)
        converted.append(answer)
    return converted


def _literal(values: Sequence[Any]) -> str:
    """An array as PostgreSQL reads it (its manual, "Array Value Input")."""
    first = values[0]
    if values.count(first) == len(values):  # most columns of a batch hold one value
        return f"{{{','.join([_element(first)] * len(values))}}}"
    if None in values:
        return f"{{{','.join(map(_element, values))}}}"
    if isinstance(first, str):
        quoted = _escaped("\0".join(values)).replace("\0", '","')  # no text holds NUL: see `_storable`
        return f'{{"{quoted}"}}'
    return f"{{{','.join(map(datetime.isoformat if isinstance(first, datetime) else str, values))}}}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return f'"{_escaped(value)}"'
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _unnest(columns: Sequence[Column[Any]]) -> str:
    arrays = ", ".join(f"%s::{_array(column.type)[0]}" for column in columns)
    return f"unnest({arrays}) AS v({', '.join(column.name for column in columns)})"


def _taken(source: str, column: Column[Any]) -> str:
    return f"{source}.{column.name}{_array(column.type)[1]}"


def _array(kind: TypeEngine[Any]) -> tuple[str, str]:
    for base, array, cast in _ARRAYS:
        if isinstance(kind, base):
            return array, cast
    raise TypeError(f"no array type is known for {kind!r}")


def among(dialect: str, column: str, parameter: str) -> str:
    """A condition for text statements: the column is one of the numbers that `many` makes of them."""
    if dialect == "sqlite":
        return f"{column} IN (SELECT value FROM json_each(:{parameter}))"  # noqa: S608  our own names
    return f"{column} = ANY(CAST(:{parameter} AS bigint[]))"


def many(dialect: str, numbers: Iterable[int]) -> Any:
    """Any number of numbers as one parameter, for `among`: the statement's text is the same for one and a thousand."""
    return f"[{','.join(map(str, numbers))}]" if dialect == "sqlite" else list(numbers)
