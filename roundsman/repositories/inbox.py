"""The inbox: messages as rows that commands show, and that people mark as read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, text, update

from roundsman.repositories.alerts import CHUNK, Severity
from roundsman.repositories.inbox_table import inbox
from roundsman.repositories.notifications import NotificationEvent

UNREAD = text("inbox.read_at IS NULL")
"""Spelled as the partial index has it, so that SQLite uses it."""


@dataclass(frozen=True)
class InboxContent:
    """What a message says."""

    event: NotificationEvent
    severity: Severity
    title: str
    text: str
    """The whole of it, with the title."""
    link: str | None
    fields: Mapping[str, str]

    def to_row(self) -> dict[str, Any]:
        """Its columns."""
        return {
            "event": self.event.value,
            "severity": self.severity.value,
            "title": self.title,
            "text": self.text,
            "link": self.link,
            "fields": dict(self.fields),
        }


@dataclass(frozen=True)
class InboxMessage:
    """A stored message. Times are aware UTC."""

    id: int
    created_at: datetime
    changed_at: datetime | None
    content: InboxContent
    read_at: datetime | None
    read_by: str | None


class InboxRepository:
    """Every method works in the caller's transaction."""

    def add(self, connection: Connection, content: InboxContent, now: datetime) -> int:
        """Keep a new message. Returns its number."""
        row = {**content.to_row(), "created_at": now}
        number: int = connection.execute(insert(inbox).values(row).returning(inbox.c.id)).scalar_one()
        return number

    def change(
        self, connection: Connection, number: int, created_at: datetime, content: InboxContent, now: datetime
    ) -> bool:
        """Make a message say this instead. False: it is no longer there."""
        # By its time as well: SQLite gives the number of the newest row anew once that row is removed
        changed = update(inbox).where(inbox.c.id == number, inbox.c.created_at == created_at)
        return connection.execute(changed.values(**content.to_row(), changed_at=now)).rowcount == 1

    def latest(self, connection: Connection, limit: int, *, unread: bool = False) -> list[InboxMessage]:
        """The newest first, at most `limit`; with `unread` those alone that nobody has read."""
        query = select(inbox).order_by(inbox.c.id.desc()).limit(limit)
        return [_message(row) for row in connection.execute(query.where(UNREAD) if unread else query)]

    def count_unread(self, connection: Connection) -> int:
        """How many nobody has read."""
        return connection.execute(select(func.count()).select_from(inbox).where(UNREAD)).scalar_one()

    def known(self, connection: Connection, numbers: Iterable[int]) -> set[int]:
        """Those of these numbers that there are."""
        found: set[int] = set()
        for part in _chunks(numbers):
            found.update(connection.execute(select(inbox.c.id).where(inbox.c.id.in_(part))).scalars())
        return found

    def mark_read(self, connection: Connection, numbers: Iterable[int], *, by: str, now: datetime) -> int:
        """Mark these as read; returns how many were not. Who read one first, stays."""
        return sum(self._mark(connection, inbox.c.id.in_(part), by, now) for part in _chunks(numbers))

    def mark_all_read(self, connection: Connection, *, by: str, now: datetime) -> int:
        """Mark all that there are as read; returns how many were not."""
        return self._mark(connection, inbox.c.id > 0, by, now)

    def prune(self, connection: Connection, before: datetime, *, limit: int) -> int:
        """Delete up to `limit` messages from before that time, read or not; returns how many."""
        old = select(inbox.c.id).where(inbox.c.created_at < before).limit(limit)
        return connection.execute(delete(inbox).where(inbox.c.id.in_(old))).rowcount

    def _mark(self, connection: Connection, which: ColumnElement[bool], by: str, now: datetime) -> int:
        return connection.execute(update(inbox).where(UNREAD, which).values(read_at=now, read_by=by)).rowcount


def _chunks(numbers: Iterable[int]) -> Iterable[list[int]]:
    ordered = sorted(set(numbers))
    return (ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK))


def _message(row: Row[Any]) -> InboxMessage:
    content = InboxContent(
        NotificationEvent(row.event), Severity(row.severity), row.title, row.text, row.link, row.fields
    )
    return InboxMessage(row.id, row.created_at, row.changed_at, content, row.read_at, row.read_by)
