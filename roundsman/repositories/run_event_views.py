"""The outbox of runs for people: what has not arrived, and those that were given up sent once more.

Only what was given up can be sent again: it blocks nothing and nobody holds it, so this changes nothing for whoever
delivers just then. It comes before the later events of its run that still wait, and after those that arrived.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, true, update

from roundsman.repositories.run_tables import run_events


class EventState(StrEnum):
    """How far an event has got."""

    WAITING = "waiting"
    """For its first attempt or the next, or for an earlier one of its run."""
    DELIVERING = "delivering"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event that a sink has not got."""

    id: int
    run_id: int
    sink: str
    event: str
    payload: dict[str, Any]
    created_at: datetime
    attempts: int
    not_before: datetime
    owner: str | None
    error: str | None
    set_aside_at: datetime | None

    @property
    def key(self) -> str:
        """What a receiver knows it by."""
        return f"{self.run_id}-{self.id}"

    @property
    def state(self) -> EventState:
        if self.set_aside_at is not None:
            return EventState.GIVEN_UP
        return EventState.WAITING if self.owner is None else EventState.DELIVERING


_COLUMNS = tuple(StoredEvent.__dataclass_fields__)
_GIVEN_UP = run_events.c.set_aside_at.is_not(None)
_CONDITIONS = {
    EventState.WAITING: and_(run_events.c.set_aside_at.is_(None), run_events.c.owner.is_(None)),
    EventState.DELIVERING: run_events.c.owner.is_not(None),
    EventState.GIVEN_UP: _GIVEN_UP,
}


@dataclass(frozen=True)
class Chosen:
    """Which events; all without any of these."""

    sink: str | None = None
    run_id: int | None = None
    ids: Collection[int] | None = None

    def condition(self) -> ColumnElement[bool]:
        """For a query."""
        found: list[ColumnElement[bool]] = [true()]
        if self.sink is not None:
            found.append(run_events.c.sink == self.sink)
        if self.run_id is not None:
            found.append(run_events.c.run_id == self.run_id)
        if self.ids is not None:
            found.append(run_events.c.id.in_(list(self.ids)))
        return and_(*found)


class RunEventViews:
    """Every method works in the caller's transaction."""

    def listed(
        self, connection: Connection, chosen: Chosen, state: EventState | None = None, limit: int = 100
    ) -> list[StoredEvent]:
        """The newest first."""
        condition = true() if state is None else _CONDITIONS[state]
        query = (
            select(*(run_events.c[name] for name in _COLUMNS))
            .where(chosen.condition(), condition)
            .order_by(run_events.c.id.desc())
            .limit(limit)
        )
        return [StoredEvent(**row._mapping) for row in connection.execute(query)]

    def send_again(self, connection: Connection, chosen: Chosen, now: datetime) -> list[StoredEvent]:
        """Let those of them that were given up wait again, due now and as if never tried. Returns them, by id."""
        again = (
            update(run_events)
            .where(chosen.condition(), _GIVEN_UP)
            .values(set_aside_at=None, not_before=now, attempts=0, error=None)
            .returning(*(run_events.c[name] for name in _COLUMNS))
        )
        return sorted((StoredEvent(**row._mapping) for row in connection.execute(again)), key=lambda event: event.id)
