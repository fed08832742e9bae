"""Conversations that are to be read again from their source before all others: somebody asked, or a sync could not."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, update

from roundsman.repositories.conversation_tables import resyncs
from roundsman.repositories.engine import upserting
from roundsman.repositories.versions import chunks


class Resync(NamedTuple):
    """One conversation that waits for it."""

    conversation_id: str
    page_id: str
    asked_at: datetime
    reason: str
    """A sentence or a few words, without secrets."""


_COLUMNS = [resyncs.c[name] for name in Resync._fields]


class ResyncRepository:
    """Every method works in the caller's transaction."""

    def ask(self, connection: Connection, wanted: Sequence[Resync]) -> None:
        """Ask for these; one that was asked for before keeps its place."""
        if wanted:
            rows = {each.conversation_id: each._asdict() for each in wanted}
            statement = upserting(connection)(resyncs).on_conflict_do_nothing()
            connection.execute(statement, [rows[name] for name in sorted(rows)])

    def next_of(self, connection: Connection, page_id: str, limit: int) -> list[Resync]:
        """Those of a page that have waited longest."""
        query = select(*_COLUMNS).where(resyncs.c.page_id == page_id)
        rows = connection.execute(query.order_by(resyncs.c.asked_at, resyncs.c.conversation_id).limit(limit))
        return [Resync._make(row) for row in rows]

    def postpone(self, connection: Connection, conversation_id: str, now: datetime, reason: str) -> None:
        """It could not be read; behind all others with it."""
        where = resyncs.c.conversation_id == conversation_id
        connection.execute(update(resyncs).where(where).values(asked_at=now, reason=reason))

    def done(self, connection: Connection, conversation_ids: Collection[str]) -> None:
        """These were read."""
        for chunk in chunks(sorted(conversation_ids)):
            connection.execute(delete(resyncs).where(resyncs.c.conversation_id.in_(chunk)))
