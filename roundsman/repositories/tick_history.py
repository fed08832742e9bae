"""What people ask of the ledger, and the few things they may change in it: pauses, and old rows that go."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, or_, select, update

from roundsman.repositories.columns import UtcTime
from roundsman.repositories.engine import upserting
from roundsman.repositories.tables import job_states, ticks
from roundsman.scheduling.job import OutcomeKind
from roundsman.scheduling.ledger import Origin, TickState

RUNS = (TickState.RAN.value, TickState.LATE.value)
"""The states of ticks that ran."""


@dataclass(frozen=True)
class TickRecord:
    """One row of the ledger, as listings show it."""

    id: int
    job: str
    due_at: datetime
    origin: Origin
    state: TickState
    stands_for: int
    reason: str | None
    attempt: int
    started_at: datetime | None
    finished_at: datetime | None
    outcome: OutcomeKind | None
    counters: dict[str, int]
    error: str | None
    traceback: str | None

    @property
    def duration(self) -> timedelta | None:
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at


class PastRun(NamedTuple):
    """When a job ran."""

    began_at: datetime
    """Of one that was killed: when it was claimed."""
    finished_at: datetime | None
    """None while it goes on; of one that was killed: when that was noticed."""
    is_done: bool
    counters: dict[str, int]


class TickHistory:
    """Methods take the connection of the caller's transaction."""

    def history(
        self, connection: Connection, job: str | None, *, limit: int, runs_only: bool = False
    ) -> list[TickRecord]:
        """The newest rows first."""
        query = select(ticks).order_by(ticks.c.due_at.desc(), ticks.c.id.desc()).limit(limit)
        if job is not None:
            query = query.where(ticks.c.job == job)
        if runs_only:
            query = query.where(ticks.c.state.in_(list(RUNS)))
        return [_record(row) for row in connection.execute(query)]

    def find(self, connection: Connection, tick_id: int) -> TickRecord:
        """One row. Raises NoResultFound."""
        return _record(connection.execute(select(ticks).where(ticks.c.id == tick_id)).one())

    def running(self, connection: Connection) -> list[TickRecord]:
        """Runs that have not ended, by any daemon."""
        query = select(ticks).where(ticks.c.outcome.is_(None), ticks.c.owner.is_not(None)).order_by(ticks.c.id)
        return [_record(row) for row in connection.execute(query)]

    def runs(self, connection: Connection, job: str, start: datetime, end: datetime) -> list[PastRun]:
        """The runs of a job that began within [start, end), in order; also those that were killed."""
        began_at = func.coalesce(ticks.c.started_at, ticks.c.claimed_at, type_=UtcTime())
        query = select(began_at, ticks.c.finished_at, ticks.c.outcome, ticks.c.counters)
        query = query.where(ticks.c.job == job, ticks.c.owner.is_not(None), began_at >= start, began_at < end)
        return [
            PastRun(began, finished_at, outcome == OutcomeKind.DONE.value, dict(counters or {}))
            for began, finished_at, outcome, counters in connection.execute(query.order_by(began_at))
        ]

    def paused(self, connection: Connection) -> dict[str, datetime]:
        """The paused jobs and since when."""
        query = select(job_states.c.job, job_states.c.paused_at).where(job_states.c.paused_at.is_not(None))
        return {row.job: row.paused_at for row in connection.execute(query)}

    def set_paused(self, connection: Connection, job: str, schedule: str, *, by: str | None, now: datetime) -> bool:
        """Pause a job (`by` names the person) or resume it (`by` is None). False when it was so already."""
        insert = upserting(connection)
        connection.execute(
            insert(job_states).values(job=job, schedule=schedule, expected_since=now).on_conflict_do_nothing()
        )
        is_paused = job_states.c.paused_at.is_not(None)
        changed = connection.execute(
            update(job_states)
            .where(job_states.c.job == job, is_paused if by is None else ~is_paused)
            .values(paused_by=by, paused_at=None if by is None else now)
        )
        return changed.rowcount == 1

    def prune(self, connection: Connection, before: datetime, *, limit: int) -> int:
        """Delete up to `limit` finished rows older than `before`, but never a job's newest; returns how many."""
        newest = select(func.max(ticks.c.due_at)).where(ticks.c.superseded == 0).group_by(ticks.c.job)
        old = (
            select(ticks.c.id)
            .where(
                ticks.c.due_at < before,
                or_(ticks.c.outcome.is_not(None), ticks.c.owner.is_(None)),
                ticks.c.due_at.not_in(newest),
            )
            .limit(limit)
        )
        return connection.execute(ticks.delete().where(ticks.c.id.in_(old))).rowcount


def _record(row: Row[Any]) -> TickRecord:
    return TickRecord(
        id=row.id,
        job=row.job,
        due_at=row.due_at,
        origin=Origin(row.origin),
        state=TickState(row.state),
        stands_for=row.stands_for,
        reason=row.reason,
        attempt=row.attempt,
        started_at=row.started_at,
        finished_at=row.finished_at,
        outcome=OutcomeKind(row.outcome) if row.outcome else None,
        counters=dict(row.counters or {}),
        error=row.error,
        traceback=row.traceback,
    )
