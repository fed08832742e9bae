"""Many rows through one statement, at the driver's own pace.

For `execute(statement, rows)` SQLAlchemy builds and converts the parameters of each row in Python, 40 microseconds a
row: for a hundred ticks that are due in the same second that was most of the delay before their runs. Here the
statement is compiled once by SQLAlchemy, the driver's `executemany` is given plain rows, and each distinct value is
converted once (the ticks of one moment share their times).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql.dml import Insert, Update

_Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class _Compiled:
    """A statement in the words of one database."""

    text: str
    positional: bool
    columns: Sequence[tuple[str, _Convert | None]]
    """In the order of the placeholders; None where the driver takes the value as it is."""


class BulkStatement:
    """A statement to be executed for many rows. `parameters` are the keys of every row, all of its placeholders."""

    def __init__(self, build: Callable[[Connection], Insert | Update], parameters: Sequence[str]) -> None:
        self._build = build
        self._parameters = tuple(parameters)
        self._compiled: dict[str, _Compiled] = {}

    def execute(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute for each row. No results and no counts come back."""
        if not rows:
            return
        compiled = self._compiled.get(connection.dialect.name)
        if compiled is None:
            compiled = self._compiled[connection.dialect.name] = self._compile(connection)
        columns = [(name, _remembering(convert) if convert else None) for name, convert in compiled.columns]
        plain: Any
        if compiled.positional:
            plain = [tuple([conv(row[name]) if conv else row[name] for name, conv in columns]) for row in rows]
        else:
            plain = [{name: conv(row[name]) if conv else row[name] for name, conv in columns} for row in rows]
        connection.exec_driver_sql(compiled.text, plain)

    def _compile(self, connection: Connection) -> _Compiled:
        dialect = connection.dialect
        compiled = self._build(connection).compile(dialect=dialect, column_keys=list(self._parameters))
        unknown = compiled.binds.keys() ^ set(self._parameters)
        if unknown:
            raise ValueError(f"the rows do not fill exactly the statement's placeholders: {sorted(unknown)}")
        names = compiled.positiontup
        columns = [
            (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in (names if names is not None else self._parameters)
        ]
        return _Compiled(str(compiled), names is not None, columns)


def _remembering(convert: _Convert) -> _Convert:
    known: dict[Any, Any] = {}

    def remembered(value: Any) -> Any:
        try:
            return known[value]
        except KeyError:
            converted = known[value] = convert(value)
            return converted
        except TypeError:  # a dictionary of counters is no key
            return convert(value)

    return remembered
