"""The outbox of runs: events wait here for their sinks, are claimed in sets, and are deleted once they are delivered.

The events of one run reach a sink in the order in which they happened. So only the first one of a run can be claimed;
as long as it is there, whoever holds it, the later ones stay. An event that is tried again later takes the later ones
of its run along, so that claims need not pass them by again and again.

A claim reads the head of the index of what is due, whatever waits behind it. It is a guarded update that writes the
owner and a lease beside the row and counts the attempt; owner and attempt are the proof of the claim, so a process
that was away too long changes nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from roundsman.repositories.statement import Statement, read_json, read_time

AT_ONCE = 1_000
"""Rows that one statement sets aside, at most."""

_WAITING = "owner IS NULL AND set_aside_at IS NULL"
_NEXT_DUE = Statement(f"SELECT min(not_before), STEADY FROM run_events WHERE sink = :sink AND {_WAITING}")  # noqa: S608  only the line above

# Materialized: run again in the middle of the update, it would lock other rows. And "the first of its run" is written
# so that it is looked up for each row that is read; a planner may turn NOT EXISTS into a join with the whole table.
_CLAIM = Statement("""
WITH heads AS MATERIALIZED (
    SELECT id FROM run_events AS due
    WHERE sink = :sink AND owner IS NULL AND set_aside_at IS NULL AND not_before <= :now AND id = (
        SELECT min(id) FROM run_events AS earlier
        WHERE earlier.run_id = due.run_id AND earlier.sink = due.sink AND earlier.set_aside_at IS NULL
    )
    ORDER BY not_before, id LIMIT :most FOR UPDATE SKIP LOCKED
)
UPDATE run_events SET owner = :owner, lease_until = :until, attempts = attempts + 1
WHERE id IN (SELECT id FROM heads)
RETURNING id, run_id, event, CAST(payload AS text), created_at, attempts, not_before
""")
_PLACE = itemgetter(6, 0)

_HOLDERS = Statement("SELECT owner, min(lease_until) FROM run_events WHERE owner IS NOT NULL GROUP BY owner")
# What is locked is having its end recorded at this moment
_RELEASE = Statement("""
UPDATE run_events SET owner = NULL, lease_until = NULL WHERE id IN (
    SELECT id FROM run_events WHERE owner IS NOT NULL AND (owner AMONG :owners OR lease_until <= :now)
    AND NOT id AMONG :held FOR UPDATE SKIP LOCKED
) RETURNING id
""")


def _under_claim(text: str) -> Statement:
    """A change of events whose claim is still the one that the caller knows."""
    return Statement(text.replace("MINE", "id AMONG :ids AND owner = :owner AND attempts = :attempts"))


_DELETE = _under_claim("DELETE FROM run_events WHERE MINE RETURNING id")
_PUT_BACK = _under_claim(
    "UPDATE run_events SET owner = NULL, lease_until = NULL, attempts = attempts - 1 WHERE MINE RETURNING id"
)
_RETRY = _under_claim("""
UPDATE run_events SET owner = NULL, lease_until = NULL, not_before = :not_before, error = :error
WHERE MINE RETURNING id
""")
_SET_ASIDE = _under_claim("""
UPDATE run_events SET owner = NULL, lease_until = NULL, set_aside_at = :now, error = :error WHERE MINE RETURNING id
""")

_FOLLOW = Statement("""
UPDATE run_events SET not_before = :not_before
WHERE run_id AMONG :runs AND sink = :sink AND owner IS NULL AND set_aside_at IS NULL AND not_before < :not_before
""")

# What was tried has a later `not_before` and is judged by its next attempt
_EXPIRE = Statement("""
UPDATE run_events SET set_aside_at = :now, error = :error WHERE id IN (
    SELECT id FROM run_events WHERE sink = :sink AND owner IS NULL AND set_aside_at IS NULL
    AND not_before <= :before ORDER BY not_before, id LIMIT :most FOR UPDATE SKIP LOCKED
) RETURNING id
""")
_FORGET = Statement("DELETE FROM run_events WHERE set_aside_at IS NOT NULL AND set_aside_at <= :before RETURNING id")
_BACKLOG = Statement("""
SELECT sink, sum(CASE WHEN set_aside_at IS NULL THEN 1 ELSE 0 END), count(set_aside_at) FROM run_events GROUP BY sink
""")


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """An event that this process alone may deliver, until the lease ends."""

    id: int
    run_id: int
    event: str
    payload: dict[str, Any]
    created_at: datetime
    attempts: int
    """Including the one that begins now."""

    @property
    def key(self) -> str:
        """The same at every attempt and for no other event: by this a receiver knows a repeat."""
        return f"{self.run_id}-{self.id}"


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one sink has not got."""

    waiting: int
    """Those that are being delivered included."""
    set_aside: int
    """Given up; `error` in their rows tells why."""


class RunOutbox:
    """What one process does to the outbox. Every method works in the caller's transaction."""

    def __init__(self, owner: str, lease: timedelta) -> None:
        self._owner = owner
        self._lease = lease

    # --- in and out ---

    def claim(self, connection: Connection, sink: str, most: int, now: datetime) -> list[OutgoingEvent]:
        """Take the events of a sink that are due, one a run at most, those that are due longest first."""
        due = self.next_due(connection, sink)
        if due is None or due > now:
            return []
        rows = _CLAIM.run(connection, sink=sink, most=most, owner=self._owner, until=now + self._lease, now=now)
        rows.sort(key=_PLACE)
        payloads = read_json([row[3] for row in rows])
        return [
            OutgoingEvent(number, run_id, event, payload, read_time(connection, created), attempts)
            for (number, run_id, event, _, created, attempts, _), payload in zip(rows, payloads, strict=True)
        ]

    def delivered(self, connection: Connection, events: Sequence[OutgoingEvent]) -> set[int]:
        """They arrived, and are deleted. Returns the ids of those that were still ours, as the next three do."""
        return self._change(connection, _DELETE, events)

    def put_back(self, connection: Connection, events: Sequence[OutgoingEvent]) -> set[int]:
        """As if they had never been claimed."""
        return self._change(connection, _PUT_BACK, events)

    def retry(
        self, connection: Connection, sink: str, events: Sequence[OutgoingEvent], not_before: datetime, error: str
    ) -> set[int]:
        """Try them again then, and no later event of their runs before."""
        done = self._change(connection, _RETRY, events, not_before=not_before, error=error)
        runs = [event.run_id for event in events if event.id in done]
        if runs:
            _FOLLOW.run(connection, runs=runs, sink=sink, not_before=not_before)
        return done

    def set_aside(self, connection: Connection, events: Sequence[OutgoingEvent], error: str, now: datetime) -> set[int]:
        """Give them up: they stay as they are for people to see, and block nothing."""
        return self._change(connection, _SET_ASIDE, events, error=error, now=now)

    # --- who, when, how many ---

    def next_due(self, connection: Connection, sink: str) -> datetime | None:
        """When the first unclaimed event of a sink is due; one that waits for an earlier one of its run counts."""
        [(moment, _)] = _NEXT_DUE.run(connection, sink=sink)
        return None if moment is None else read_time(connection, moment)

    def holders(self, connection: Connection) -> dict[str, datetime]:
        """Everybody who delivers, and when their first lease ends."""
        return {owner: read_time(connection, until) for owner, until in _HOLDERS.run(connection)}

    def release(self, connection: Connection, owners: Collection[str], held: Iterable[int], now: datetime) -> int:
        """Free what these (dead) owners claimed and whatever has a lapsed lease, but for those `held` by the caller.

        Returns how many. Whether they had arrived, nobody can know: they are delivered again.
        """
        return len(_RELEASE.run(connection, owners=sorted(owners), held=list(held), now=now))

    def backlog(self, connection: Connection) -> dict[str, Backlog]:
        """By sink, also for sinks that nothing delivers to; reads the whole table."""
        return {sink: Backlog(int(waiting), aside) for sink, waiting, aside in _BACKLOG.run(connection)}

    # --- what never arrives ---

    def expire(self, connection: Connection, sink: str, before: datetime, error: str, now: datetime) -> int:
        """Set aside what has been due since `before` and was never tried, AT_ONCE at most. Returns how many."""
        return len(_EXPIRE.run(connection, sink=sink, before=before, error=error, now=now, most=AT_ONCE))

    def forget(self, connection: Connection, before: datetime) -> int:
        """Delete what was set aside before that. Returns how many."""
        return len(_FORGET.run(connection, before=before))

    def _change(
        self, connection: Connection, statement: Statement, events: Sequence[OutgoingEvent], **values: Any
    ) -> set[int]:
        """Nearly all are at the same attempt, so this is one statement."""
        batches: dict[int, list[int]] = {}
        for event in events:
            batches.setdefault(event.attempts, []).append(event.id)
        changed: set[int] = set()
        for attempts, ids in batches.items():
            found = statement.run(connection, ids=ids, owner=self._owner, attempts=attempts, **values)
            changed.update(number for (number,) in found)
        return changed
