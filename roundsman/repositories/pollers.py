"""Who asks a service for presses, and up to which one they were seen to.

Telegram lets one program at a time ask for the updates of a bot. Of several daemons on one store the holder of a lease
does; the others look now and then whether it is free.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select, update

from roundsman.owner import dead_owners
from roundsman.repositories.engine import upserting
from roundsman.repositories.tables import pollers

POSITION_GOOD_FOR = timedelta(days=6)
"""After a week without updates Telegram goes on with any number (Bot API, Update), which may be a lower one."""


@dataclass(frozen=True)
class Turn:
    """It is this process's to ask now."""

    position: int | None
    """The last update that was seen to; None: whatever the service still has."""


class PollerRepository:
    """Every method works in the caller's transaction."""

    def take(self, connection: Connection, source: str, owner: str, now: datetime, lease: timedelta) -> Turn | None:
        """Take, or keep, the lease; None while another process that may live has it."""
        insert = upserting(connection)
        connection.execute(insert(pollers).values(source=source).on_conflict_do_nothing())
        holder = connection.execute(select(pollers.c.owner).where(pollers.c.source == source)).scalar_one()
        dead = dead_owners({holder} if holder is not None and holder != owner else set())
        free = or_(
            pollers.c.owner.is_(None),
            pollers.c.owner == owner,
            pollers.c.owner.in_(dead),
            pollers.c.lease_until <= now,
        )
        guarded = update(pollers).where(pollers.c.source == source, free).values(owner=owner, lease_until=now + lease)
        row = connection.execute(guarded.returning(pollers.c.position, pollers.c.moved_at)).one_or_none()
        if row is None:
            return None
        is_good = row.moved_at is not None and now - row.moved_at < POSITION_GOOD_FOR
        return Turn(row.position if is_good else None)

    def move(self, connection: Connection, source: str, position: int, now: datetime) -> None:
        """All up to this one were seen to."""
        guarded = update(pollers).where(pollers.c.source == source)
        connection.execute(guarded.values(position=position, moved_at=now))

    def leave(self, connection: Connection, source: str, owner: str) -> None:
        """Others may ask."""
        guarded = update(pollers).where(pollers.c.source == source, pollers.c.owner == owner)
        connection.execute(guarded.values(owner=None, lease_until=None))
