"""Messages on their way into the store: a temporary table of the writer's own connection, merged in a few statements.

An export of 200 MB holds hundreds of thousands of messages. Compared and written one by one they kept SQLite's write
lock for 20 s and more, while the daemon's ticks wait 5 s for it. A temporary table is filled and compared without that
lock (SQLite keeps it in a file of its own), so that only the merge itself needs it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Table,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.schema import CreateTable, DropTable

from roundsman.repositories.columns import UtcTime
from roundsman.repositories.conversation_tables import messages
from roundsman.repositories.conversations import MessageRecord
from roundsman.repositories.engine import upserting
from roundsman.repositories.versions import Changes, chunks

ROWS_AT_ONCE = 5_000
_CACHE_KIB = 65_536
"""SQLite's page cache during an import. With its default of 2 MiB, pages of the indexes are written out and read back
for every few rows: a merge takes half as long again."""
_DEFAULT_CACHE_KIB = 2_000

_NAMES = MessageRecord._fields
staged = Table(
    "staged_messages",
    MetaData(),  # not the store's: no migration knows it
    *(Column(name, messages.c[name].type, primary_key=messages.c[name].primary_key) for name in _NAMES),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class StagedThread:
    """What the stage holds of one conversation."""

    count: int
    """How many messages."""
    has_stored: bool
    """Whether the store holds messages of this conversation, too."""


class MessageStage:
    """`fill` belongs into `Store.write(prepare=...)`, the other methods into the transaction that follows."""

    def __init__(self) -> None:
        self._unchanged = 0

    def fill(self, connection: Connection, records: Iterable[MessageRecord]) -> None:
        """Put messages with different ids on an empty stage, but for those that the store has as they are."""
        if connection.dialect.name == "sqlite":
            connection.execute(text(f"PRAGMA cache_size=-{_CACHE_KIB}"))
        connection.execute(DropTable(staged, if_exists=True))  # an import that failed leaves it behind
        connection.execute(CreateTable(staged))
        mark = "?" if connection.dialect.name == "sqlite" else "%s"
        statement = f"INSERT INTO staged_messages VALUES ({', '.join([mark] * len(_NAMES))})"  # noqa: S608  no input
        rows = _rows(connection, sorted(records))  # in order of the key, and so are the pages of its index
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            # Past SQLAlchemy's own handling of parameters, which takes longer than the database.
            connection.exec_driver_sql(statement, batch)
        self._drop_known(connection)

    def turn_away(self, connection: Connection, message_ids: list[str]) -> None:
        """Take these off the stage again."""
        for chunk in chunks(message_ids):
            connection.execute(delete(staged).where(staged.c.message_id.in_(chunk)))

    def threads(self, connection: Connection) -> dict[str, StagedThread]:
        """The conversations that a merge will touch."""
        self._drop_known(connection)  # again: another import may have committed since
        counted = (
            select(staged.c.conversation_id, func.count().label("n")).group_by(staged.c.conversation_id).subquery()
        )
        stored = exists().where(messages.c.conversation_id == counted.c.conversation_id)
        touched = {
            row[0]: StagedThread(row[1], bool(row[2]))
            for row in connection.execute(select(counted.c.conversation_id, counted.c.n, stored))
        }
        # Not a join: SQLite would rather walk through all messages than through the stage.
        before = select(messages.c.conversation_id).where(_same_message()).scalar_subquery()
        moved = select(staged.c.conversation_id, before.label("before")).subquery()
        left_behind = select(moved.c.before).distinct().where(moved.c.before != moved.c.conversation_id)
        for left in connection.execute(left_behind).scalars():
            touched[left] = StagedThread(touched[left].count if left in touched else 0, has_stored=True)
        return touched

    def merge(self, connection: Connection) -> Changes:
        """Insert or replace what is on the stage, and clear it away. An older copy never replaces a newer one."""
        counting = select(func.count()).select_from(staged)
        count = connection.execute(counting).scalar_one()
        changed = connection.execute(counting.where(exists().where(_same_message()))).scalar_one()
        statement = upserting(connection)(messages).from_select(_NAMES, select(staged).order_by(staged.c.message_id))
        offered = statement.excluded
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[messages.c.message_id],
                set_={name: offered[name] for name in _NAMES[1:]},
                # Said again here: on PostgreSQL another import may have committed since we looked.
                where=or_(
                    messages.c.source_updated_at.is_(None), offered.source_updated_at >= messages.c.source_updated_at
                ),
            )
        )
        connection.execute(DropTable(staged))
        if connection.dialect.name == "sqlite":
            connection.execute(text(f"PRAGMA cache_size=-{_DEFAULT_CACHE_KIB}"))
        return Changes(new=count - changed, changed=changed, unchanged=self._unchanged)

    def _drop_known(self, connection: Connection) -> None:
        known = exists().where(_same_message(), or_(_is_older(), _is_equal()))
        self._unchanged += connection.execute(delete(staged).where(known)).rowcount


def _rows(connection: Connection, records: Iterable[MessageRecord]) -> Iterator[tuple[Any, ...]]:
    stored = UtcTime().bind_processor(connection.dialect)
    for record in records:
        yield (*record[:2], stored(record.sent_at), *record[3:-1], stored(record.source_updated_at))


def _same_message() -> ColumnElement[bool]:
    return messages.c.message_id == staged.c.message_id


def _is_older() -> ColumnElement[bool]:
    offered, stored = staged.c.source_updated_at, messages.c.source_updated_at
    return and_(stored.is_not(None), or_(offered.is_(None), offered < stored))


def _is_equal() -> ColumnElement[bool]:
    return and_(*(messages.c[name].is_not_distinct_from(staged.c[name]) for name in _NAMES[1:]))
