"""Silences: what people do not want to hear of for a while. Rows of the store, kept for a time after their end."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from roundsman.repositories.tables import silences


@dataclass(frozen=True)
class NewSilence:
    """What is needed to make one. Times are aware."""

    matchers: tuple[str, ...]
    """As they were written; at least one."""
    author: str
    reason: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Silence:
    """A stored one. Times are aware UTC."""

    id: int
    matchers: tuple[str, ...]
    author: str
    reason: str
    created_at: datetime
    starts_at: datetime
    ends_at: datetime
    """Also of one that was ended before its time: when that was."""
    ended_by: str | None

    def is_active(self, now: datetime) -> bool:
        return self.starts_at <= now < self.ends_at


class SilenceRepository:
    """Makes, ends and lists silences. Every method works in the caller's transaction."""

    def add(self, connection: Connection, draft: NewSilence, now: datetime) -> int:
        """Store it; returns its number."""
        values = {
            "matchers": list(draft.matchers),
            "author": draft.author,
            "reason": draft.reason,
            "created_at": now,
            "starts_at": draft.starts_at,
            "ends_at": draft.ends_at,
        }
        number: int = connection.execute(silences.insert().values(values).returning(silences.c.id)).scalar_one()
        return number

    def end(self, connection: Connection, silence_id: int, by: str, now: datetime) -> bool:
        """End one before its time. False: there is none, or it is over already."""
        mine = update(silences).where(silences.c.id == silence_id, silences.c.ends_at > now)
        return connection.execute(mine.values(ends_at=now, ended_by=by)).rowcount == 1

    def active(self, connection: Connection, now: datetime) -> list[Silence]:
        """Those in force, oldest first."""
        query = select(silences).where(silences.c.ends_at > now, silences.c.starts_at <= now)
        return [_silence(row) for row in connection.execute(query.order_by(silences.c.id))]

    def all(self, connection: Connection, ended_after: datetime) -> list[Silence]:
        """Those that are in force, are to come, or ended after this moment; oldest first."""
        query = select(silences).where(silences.c.ends_at > ended_after).order_by(silences.c.id)
        return [_silence(row) for row in connection.execute(query)]

    def find(self, connection: Connection, silence_id: int) -> Silence | None:
        row = connection.execute(select(silences).where(silences.c.id == silence_id)).one_or_none()
        return None if row is None else _silence(row)

    def prune(self, connection: Connection, before: datetime, *, limit: int) -> int:
        """Delete up to `limit` of those that ended before; returns how many."""
        old = select(silences.c.id).where(silences.c.ends_at < before).limit(limit)
        return connection.execute(delete(silences).where(silences.c.id.in_(old))).rowcount


def _silence(row: Row[Any]) -> Silence:
    return Silence(**{**row._mapping, "matchers": tuple(row.matchers)})
