"""What was known of a waiting conversation, and since when: the past as it looked then.

A judgement of last week cannot be understood from today's data: the answer that came at 10:02 was perhaps not here
before 10:20. So every change of what was known is kept for a while, in the transaction that made it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, exists, func, select

from roundsman.repositories.conversation_tables import observations, watch_list
from roundsman.repositories.rows import InsertRows
from roundsman.repositories.watch_list import WaitingState


class Observation(NamedTuple):
    """Known from `seen_at` until the next one of the same conversation."""

    conversation_id: str
    page_id: str
    seen_at: datetime
    type: str
    is_synced: bool
    """False as well while its page was out of the settings."""
    tags: Sequence[str]
    assignees: Sequence[str]
    """Ids."""
    waiting_since: datetime | None
    human_waiting_since: datetime | None
    answered_at: datetime | None
    human_answered_at: datetime | None
    recheck_at: datetime | None
    snoozed_until: datetime | None

    @property
    def digest(self) -> str:
        """Equal for observations that say the same of a conversation."""
        said = repr((self.page_id, *self[3:5], tuple(self.tags), tuple(self.assignees), *self[7:]))
        return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

    @property
    def state(self) -> WaitingState:
        return WaitingState(*self[7:12])


_COLUMNS = [observations.c[name] for name in Observation._fields]
_ADD = InsertRows(observations, Observation._fields)


class ObservationRepository:
    """Every method works in the caller's transaction."""

    def add(self, connection: Connection, seen: Sequence[Observation]) -> None:
        """Keep what is known from now on."""
        _ADD.execute(connection, seen)

    def of(self, connection: Connection, conversation_id: str) -> list[Observation]:
        """All of one conversation, oldest first."""
        query = select(*_COLUMNS).where(observations.c.conversation_id == conversation_id)
        return [_observation(row) for row in connection.execute(query.order_by(observations.c.id))]

    def between(self, connection: Connection, start: datetime, end: datetime) -> Iterator[Observation]:
        """What was seen within [start, end), in the order in which it was seen."""
        last = 0
        while True:
            query = select(observations.c.id, *_COLUMNS).where(
                observations.c.id > last, observations.c.seen_at >= start, observations.c.seen_at < end
            )
            rows = connection.execute(query.order_by(observations.c.id).limit(5_000)).all()
            if not rows:
                return
            yield from (_observation(row[1:]) for row in rows)
            last = rows[-1].id

    def latest_before(self, connection: Connection, moment: datetime) -> list[Observation]:
        """What was known of each conversation at a moment."""
        newest = select(func.max(observations.c.id)).where(observations.c.seen_at < moment)
        newest = newest.group_by(observations.c.conversation_id)
        query = select(*_COLUMNS).where(observations.c.id.in_(newest)).order_by(observations.c.id)
        return [_observation(row) for row in connection.execute(query)]

    def prune(self, connection: Connection, before: datetime, *, limit: int) -> int:
        """Delete up to `limit` old ones, but for those of conversations on the watch list; returns how many."""
        watched = exists().where(watch_list.c.conversation_id == observations.c.conversation_id)
        old = select(observations.c.id).where(observations.c.seen_at < before, ~watched).limit(limit)
        return connection.execute(delete(observations).where(observations.c.id.in_(old))).rowcount


def _observation(row: Any) -> Observation:
    made = Observation._make(row)
    return made._replace(tags=tuple(made.tags), assignees=tuple(made.assignees))
