"""Copies of outside documents: insert or replace them in sets, and never replace a newer copy by an older one.

The same export is imported again and again, and two exports may overlap in any order. What was stored must then
be what the newest copy said, and the counts must tell a person what an import really did.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table, bindparam, or_, select

from roundsman.clock import iso
from roundsman.repositories.engine import upserting

CHUNK = 500
"""Keys in one statement; old builds of SQLite take 999 variables."""


@dataclass
class Changes:
    """What became of the records of one kind."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    """Equal to what is stored, or older."""
    written: set[str] = field(default_factory=set)
    """Keys of the new and the changed."""


def chunks(values: Sequence[Any], size: int = CHUNK) -> Iterator[Sequence[Any]]:
    """Cut into pieces that fit one statement."""
    return (values[start : start + size] for start in range(0, len(values), size))


def put_newer(connection: Connection, table: Table, records: Sequence[Any]) -> Changes:
    """Write named tuples whose fields are columns; the first is the key, the last (`source_updated_at`) the version.

    The keys must differ from one another. A copy without a version replaces only what has none either.
    """
    changes = Changes()
    if not records:
        return changes
    names: Sequence[str] = records[0]._fields
    key = table.c[names[0]]
    columns = [table.c[name] for name in names]
    query = select(*columns).where(key.in_(bindparam("keys", expanding=True)))
    statement = _newer_statement(connection, table, names)
    # In order of the key, so that two imports at the same time wait for each other instead of deadlocking.
    for chunk in chunks(sorted(records, key=itemgetter(0))):
        stored = {row[0]: row for row in connection.execute(query, {"keys": [record[0] for record in chunk]})}
        rows = []
        for record in chunk:
            row = _plain(record)
            old = stored.get(row[0])
            if old is None:
                changes.new += 1
            elif tuple(old) == row or _is_older(row[-1], old.source_updated_at):
                changes.unchanged += 1
                continue
            else:
                changes.changed += 1
            changes.written.add(row[0])
            rows.append(dict(zip(names, row, strict=True)))
        if rows:
            connection.execute(statement, rows)
    return changes


def insert_missing(connection: Connection, table: Table, records: Sequence[Any]) -> None:
    """Insert the records whose key is not stored yet."""
    insert = upserting(connection)
    if not records:
        return
    ordered = sorted(records, key=itemgetter(0))
    rows = [dict(zip(record._fields, _plain(record), strict=True)) for record in ordered]
    connection.execute(insert(table).on_conflict_do_nothing(), rows)


def _newer_statement(connection: Connection, table: Table, names: Sequence[str]) -> Any:
    insert = upserting(connection)
    statement = insert(table)
    stored, offered = table.c.source_updated_at, statement.excluded.source_updated_at
    return statement.on_conflict_do_update(
        index_elements=[table.c[names[0]]],
        set_={name: statement.excluded[name] for name in names[1:]},
        # Said again here: on PostgreSQL another import may have committed since we looked.
        where=or_(stored.is_(None), offered >= stored),
    )


def _is_older(offered: datetime | None, stored: datetime | None) -> bool:
    return stored is not None and (offered is None or offered < stored)


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A record's values as the store gives them back: JSON knows lists only, and times as text."""
    if tuple not in map(type, row):
        return row
    return tuple(_listed(value) if type(value) is tuple else value for value in row)


def _listed(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_listed(each) for each in value]
    return iso(value) if isinstance(value, datetime) else value
