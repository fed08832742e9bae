"""When the knowledge of a page was too old to judge by: opened and closed by the monitor, kept to explain the past."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, update

from roundsman.repositories.conversation_tables import stale_spans
from roundsman.repositories.engine import upserting


class StaleSpan(NamedTuple):
    """The monitor told nothing about this page within [stale_from, stale_until)."""

    page_id: str
    stale_from: datetime
    stale_until: datetime | None


class StaleSpanRepository:
    """Every method works in the caller's transaction."""

    def mark(self, connection: Connection, stale: Collection[str], now: datetime) -> None:
        """From now on just these pages are stale."""
        open_ones = set(
            connection.execute(select(stale_spans.c.page_id).where(stale_spans.c.stale_until.is_(None))).scalars()
        )
        if open_ones - set(stale):
            over = stale_spans.c.stale_until.is_(None) & stale_spans.c.page_id.in_(sorted(open_ones - set(stale)))
            connection.execute(update(stale_spans).where(over).values(stale_until=now))
        begun = [{"page_id": page_id, "stale_from": now} for page_id in sorted(set(stale) - open_ones)]
        if begun:
            connection.execute(upserting(connection)(stale_spans).on_conflict_do_nothing(), begun)

    def open(self, connection: Connection) -> set[str]:
        """The pages that were stale at the last round."""
        return set(
            connection.execute(select(stale_spans.c.page_id).where(stale_spans.c.stale_until.is_(None))).scalars()
        )

    def since(self, connection: Connection, moment: datetime) -> list[StaleSpan]:
        """Those that were not over at a moment, or began later."""
        query = select(stale_spans.c.page_id, stale_spans.c.stale_from, stale_spans.c.stale_until).where(
            stale_spans.c.stale_until.is_(None) | (stale_spans.c.stale_until > moment)
        )
        return [StaleSpan._make(row) for row in connection.execute(query.order_by(stale_spans.c.stale_from))]

    def prune(self, connection: Connection, before: datetime, *, limit: int) -> int:
        """Delete up to `limit` that were over before a moment; returns how many."""
        old = select(stale_spans.c.id).where(stale_spans.c.stale_until < before).limit(limit)
        return connection.execute(delete(stale_spans).where(stale_spans.c.id.in_(old))).rowcount
