"""Looks that told nobody for want of certainty: the newest messages could not be had, and what was due lay behind the
watermark of its page. Written by the monitor in the transaction of its look, kept to explain the past."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, select

from roundsman.repositories.conversation_tables import held_looks
from roundsman.repositories.rows import InsertRows


class HeldLook(NamedTuple):
    """One look at one conversation."""

    conversation_id: str
    looked_at: datetime
    certain_until: datetime | None
    """Nothing of later could be held against anybody; None: nothing at all could."""


_ADD = InsertRows(held_looks, HeldLook._fields)


class HeldLookRepository:
    """Every method works in the caller's transaction."""

    def add(self, connection: Connection, looks: Sequence[HeldLook]) -> None:
        """Keep these."""
        _ADD.execute(connection, looks)

    def between(self, connection: Connection, start: datetime, end: datetime) -> list[HeldLook]:
        """Those within [start, end), in their order."""
        query = select(*(held_looks.c[name] for name in HeldLook._fields)).where(
            held_looks.c.looked_at >= start, held_looks.c.looked_at < end
        )
        return [HeldLook._make(row) for row in connection.execute(query.order_by(held_looks.c.id))]

    def prune(self, connection: Connection, before: datetime, *, limit: int) -> int:
        """Delete up to `limit` of before a moment; returns how many."""
        old = select(held_looks.c.id).where(held_looks.c.looked_at < before).limit(limit)
        return connection.execute(delete(held_looks).where(held_looks.c.id.in_(old))).rowcount
