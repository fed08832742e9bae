"""The ledger's rows: claims by insertion, ends of runs by guarded updates, both in one commit.

All that a moment brings (claims of a hundred jobs due together, ends of runs) goes into one transaction: on a
disk where a commit costs milliseconds, that is what keeps ticks on time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, and_, bindparam, func, select, update

from roundsman.owner import Owner, dead_owners
from roundsman.repositories.bulk import BulkStatement
from roundsman.repositories.daemons import stale_owners
from roundsman.repositories.engine import Store, upserting
from roundsman.repositories.tables import job_states, ticks
from roundsman.repositories.tick_history import RUNS, TickHistory
from roundsman.scheduling.job import OutcomeKind
from roundsman.scheduling.ledger import Claimed, Expectation, Origin, RunReport, TickEntry, TickState

MOST_ATTEMPTS = 3
"""How often an interrupted tick is taken again: a run that brings the whole process down must not do so for ever."""


class TickRepository(TickHistory):
    """The `Ledger` of `roundsman.scheduling.ledger` in a store, for one process; `TickHistory` is for people."""

    def __init__(self, store: Store, owner: Owner) -> None:
        self._store = store
        self._owner = str(owner)
        self._unsure_after: int | None = None
        """Rows newer than this may be ours without our knowing: a commit was cut off, and nobody can say whether it
        took. The same entries come again, and what they won then must not be left running for ever."""

    def commit(self, entries: Sequence[TickEntry], reports: Sequence[RunReport], now: datetime) -> list[Claimed]:
        with self._store.write() as connection:
            self._finish(connection, reports)
            claimed = self._insert(connection, self._held_back(connection, entries), now)
        self._unsure_after = None
        return claimed

    def _insert(self, connection: Connection, entries: Sequence[TickEntry], now: datetime) -> list[Claimed]:
        if not entries:
            return []
        if self._unsure_after is None:
            self._unsure_after = connection.execute(select(func.max(ticks.c.id))).scalar() or 0
        # In one order in every process: two that claim the same ticks in different orders would deadlock on PostgreSQL.
        ordered = sorted(entries, key=lambda entry: (entry.job, entry.due_at))
        _CLAIMS.execute(connection, [self._row(entry, now) for entry in ordered])
        by_slot = {(entry.job, entry.due_at): entry for entry in entries if entry.runs}
        if not by_slot:
            return []
        # Reading the claims back costs a third of RETURNING on every row: they are in the partial index of running
        # ticks, and newer than what was there. A slot that another process took is not among them.
        mine = select(ticks.c.id, ticks.c.job, ticks.c.due_at).where(
            ticks.c.owner == self._owner, ticks.c.outcome.is_(None), ticks.c.id > self._unsure_after
        )
        won = {(row.job, row.due_at): row.id for row in connection.execute(mine)}
        return [Claimed(won[slot], entry) for slot, entry in by_slot.items() if slot in won]

    def _held_back(self, connection: Connection, entries: Sequence[TickEntry]) -> Sequence[TickEntry]:
        """The entries, with those turned into rows that do not run whose job is paused or runs in another process.

        A manual run is a person's wish, so that a pause does not hold it back.
        """
        if not any(entry.runs for entry in entries):
            return entries
        pauses = select(job_states.c.job, job_states.c.paused_by).where(job_states.c.paused_at.is_not(None))
        paused = {row.job: f"paused by {row.paused_by}" for row in connection.execute(pauses)}
        elsewhere = select(ticks.c.job, ticks.c.owner).where(
            ticks.c.outcome.is_(None), ticks.c.owner.is_not(None), ticks.c.owner != self._owner
        )
        busy = {row.job: f"still running in {_words(row.owner)}" for row in connection.execute(elsewhere)}
        if not paused and not busy:
            return entries
        return [_hold_back(entry, paused, busy) if entry.runs else entry for entry in entries]

    def _row(self, entry: TickEntry, now: datetime) -> dict[str, Any]:
        return {
            "job": entry.job,
            "due_at": entry.due_at,
            "origin": entry.origin.value,
            "state": entry.state.value,
            "stands_for": entry.stands_for,
            "reason": entry.reason,
            "owner": self._owner if entry.runs else None,
            "attempt": int(entry.runs),
            "claimed_at": now if entry.runs else None,
        }

    def _finish(self, connection: Connection, reports: Sequence[RunReport]) -> None:
        _ENDS.execute(connection, [_report_values(report) | {"mine": self._owner} for report in reports])

    def expect(self, job: str, schedule: str, now: datetime) -> Expectation:
        with self._store.write() as connection:
            query = select(job_states).where(job_states.c.job == job)
            row = connection.execute(query).one_or_none()
            if row is None:
                new = upserting(connection)(job_states).values(job=job, schedule=schedule, expected_since=now)
                if connection.execute(new.on_conflict_do_nothing().returning(job_states.c.job)).one_or_none():
                    return Expectation(now, None, None, (), None)
                row = connection.execute(query).one()  # of a daemon that starts at the same moment
            newest = connection.execute(
                select(func.max(ticks.c.due_at)).where(
                    ticks.c.job == job, ticks.c.superseded == 0, ticks.c.origin == Origin.SCHEDULE.value
                )
            ).scalar()
            since = max(filter(None, (row.expected_since, newest)))
            changed = row.schedule != schedule
            if changed:
                connection.execute(
                    job_states.update()
                    .where(job_states.c.job == job)
                    .values(schedule=schedule, expected_since=max(since, now))
                )
            return Expectation(
                since,
                row.schedule if changed else None,
                row.paused_at,
                _interrupted(connection, job),
                _snoozed_until(connection, job, now),
            )

    def retire(self, jobs: Sequence[str]) -> None:
        if jobs:
            with self._store.write() as connection:
                connection.execute(update(job_states).where(job_states.c.job.in_(jobs)).values(schedule=""))

    def reclaim(self, claimed: Claimed, now: datetime) -> Claimed | None:
        with self._store.write() as connection:
            changed = connection.execute(
                update(ticks)
                .where(ticks.c.id == claimed.tick_id, ticks.c.outcome == OutcomeKind.INTERRUPTED.value)
                .values(
                    outcome=None,
                    state=TickState.LATE.value,
                    owner=self._owner,
                    attempt=ticks.c.attempt + 1,
                    claimed_at=now,
                    started_at=None,
                    finished_at=None,
                    reason=None,
                )
            )
            return claimed if changed.rowcount == 1 else None

    def supersede(self, job: str, after: datetime) -> int:
        with self._store.write() as connection:
            return connection.execute(
                update(ticks)
                .where(ticks.c.job == job, ticks.c.due_at > after, ticks.c.superseded == 0)
                .values(superseded=ticks.c.id)
            ).rowcount

    def interrupt_dead(self, now: datetime) -> list[str]:
        with self._store.write() as connection:
            running = and_(ticks.c.outcome.is_(None), ticks.c.owner.is_not(None))
            owners = set(connection.execute(select(ticks.c.owner).where(running).distinct()).scalars())
            dead = dead_owners(owners) | stale_owners(connection, owners, now)
            if not dead:
                return []
            result = connection.execute(
                update(ticks)
                .where(running, ticks.c.owner.in_(dead))
                .values(outcome=OutcomeKind.INTERRUPTED.value, finished_at=now, reason="its process died")
                .returning(ticks.c.job)
            )
            return sorted(set(result.scalars()))


_CLAIMS = BulkStatement(
    lambda connection: upserting(connection)(ticks).on_conflict_do_nothing(),
    ("job", "due_at", "origin", "state", "stands_for", "reason", "owner", "attempt", "claimed_at"),
)

_REPORTED = ("started_at", "finished_at", "outcome", "counters", "again_at", "error", "traceback")

# Guarded by the owner: a run that was given to somebody else since (we were thought dead) is theirs to end.
_ENDS = BulkStatement(
    lambda _: (
        update(ticks)
        .where(ticks.c.id == bindparam("tick_id"), ticks.c.owner == bindparam("mine"), ticks.c.outcome.is_(None))
        .values(
            {column: bindparam(f"new_{column}") for column in _REPORTED}
            | {"reason": func.coalesce(bindparam("new_reason", type_=Text()), ticks.c.reason)}
        )
    ),
    ("tick_id", "mine", "new_reason", *(f"new_{column}" for column in _REPORTED)),
)


def _report_values(report: RunReport) -> dict[str, Any]:
    return {
        "tick_id": report.tick_id,
        "new_started_at": report.started_at,
        "new_finished_at": report.finished_at,
        "new_outcome": report.outcome.value,
        "new_counters": dict(report.counters),
        "new_reason": report.reason,
        "new_again_at": report.again_at,
        "new_error": report.error,
        "new_traceback": report.traceback,
    }


def _hold_back(entry: TickEntry, paused: Mapping[str, str], busy: Mapping[str, str]) -> TickEntry:
    if entry.job in paused and entry.origin is not Origin.MANUAL:
        return replace(entry, state=TickState.PAUSED, reason=paused[entry.job])
    if entry.job in busy:
        return replace(entry, state=TickState.OVERLAPPED, reason=busy[entry.job])
    return entry


def _words(owner: str) -> str:
    holder = Owner.parse(owner)
    return f"process {holder.pid} on {holder.host}"


def _interrupted(connection: Connection, job: str) -> Sequence[Claimed]:
    """The runs that were cut off after the job's last run that was not."""
    runs = connection.execute(
        select(ticks)
        .where(ticks.c.job == job, ticks.c.superseded == 0, ticks.c.state.in_(RUNS))
        .order_by(ticks.c.due_at.desc(), ticks.c.id.desc())
        .limit(100)
    )
    found: list[Claimed] = []
    for row in runs:
        if row.outcome != OutcomeKind.INTERRUPTED.value:
            break
        if row.attempt < MOST_ATTEMPTS and row.origin != Origin.MANUAL.value:
            entry = TickEntry(row.job, row.due_at, TickState.LATE, Origin(row.origin))
            found.append(Claimed(row.id, entry))
    return tuple(reversed(found))


def _snoozed_until(connection: Connection, job: str, now: datetime) -> datetime | None:
    """The wish of the newest run, if it ended in a snooze that nobody has answered yet."""
    row = connection.execute(
        select(ticks.c.outcome, ticks.c.again_at)
        .where(ticks.c.job == job, ticks.c.superseded == 0, ticks.c.outcome.is_not(None))
        .order_by(ticks.c.due_at.desc(), ticks.c.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None or row.outcome != OutcomeKind.SNOOZED.value or row.again_at is None:
        return None
    again_at: datetime = row.again_at
    return max(again_at, now)
