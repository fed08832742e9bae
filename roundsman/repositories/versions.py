"""Copies of outside documents: insert or replace them in sets, and never replace a newer copy by an older one.

The same export is imported again and again, and two exports may overlap in any order. What was stored must then
be what the newest copy said, and the counts must tell a person what an import really did.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, bindparam, select

from roundsman.clock import iso
from roundsman.repositories.engine import upserting
from roundsman.repositories.rows import UpsertRows

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
    names: tuple[str, ...] = records[0]._fields
    # In order of the key, so that two imports at the same time wait for each other instead of deadlocking.
    for chunk in chunks(sorted(records, key=itemgetter(0))):
        versions = _read(connection, table, (names[0], names[-1]), [record[0] for record in chunk])
        stored: dict[str, datetime | None] = dict(map(tuple, versions))
        # A newer version is written unseen; whether one of the same version says anything new, the whole row tells
        unsure = [record[0] for record in chunk if record[0] in stored and stored[record[0]] == record[-1]]
        same = {row[0]: tuple(row) for row in _read(connection, table, names, unsure)} if unsure else {}
        rows = []
        for record in chunk:
            key, row = record[0], _plain(record)
            if key not in stored:
                changes.new += 1
            elif same.get(key) == row or _is_older(row[-1], stored[key]):
                changes.unchanged += 1
                continue
            else:
                changes.changed += 1
            changes.written.add(key)
            rows.append(row)
        _upsert(table, names).execute(connection, rows)
    return changes


def insert_missing(connection: Connection, table: Table, records: Sequence[Any]) -> None:
    """Insert the records whose key is not stored yet."""
    insert = upserting(connection)
    if not records:
        return
    ordered = sorted(records, key=itemgetter(0))
    rows = [dict(zip(record._fields, _plain(record), strict=True)) for record in ordered]
    connection.execute(insert(table).on_conflict_do_nothing(), rows)


def _read(connection: Connection, table: Table, names: Sequence[str], keys: Sequence[str]) -> Sequence[Row[Any]]:
    return connection.execute(_selection(table, tuple(names)), {"keys": keys}).all()


@cache
def _selection(table: Table, names: tuple[str, ...]) -> Select[Any]:
    return select(*(table.c[name] for name in names)).where(table.c[names[0]].in_(bindparam("keys", expanding=True)))


@cache
def _upsert(table: Table, names: tuple[str, ...]) -> UpsertRows:
    # Said again here: on PostgreSQL another import may have committed since we looked.
    stored = f"{table.name}.source_updated_at"
    return UpsertRows(table, names, where=f"{stored} IS NULL OR excluded.source_updated_at >= {stored}")


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
