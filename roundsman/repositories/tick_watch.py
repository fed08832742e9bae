"""What the watch over the jobs asks of the ledger every minute: each question reads a few rows through an index.

The ledger of a month has a million rows and more. So nothing here counts or sorts them: the newest rows of each job
come from the end of the index of its slots, a gap is one range of the index of due times, an hour one of its slots.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, union_all

from roundsman.repositories.tables import job_states, ticks
from roundsman.repositories.tick_history import RUNS
from roundsman.scheduling.job import OutcomeKind
from roundsman.scheduling.ledger import Origin, TickState

NEWEST = 5
"""Rows of each job that a look begins with: enough to find its last end behind a run under way."""
_DOWN = (TickState.MISSED.value, TickState.SUSPENDED.value)


@dataclass(frozen=True, slots=True)
class TickEnd:
    """What became of one tick, without what it brought."""

    id: int
    job: str
    due_at: datetime
    origin: Origin
    state: TickState
    attempt: int
    claimed_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    outcome: OutcomeKind | None
    error: str | None
    reason: str | None

    @property
    def ran(self) -> bool:
        return self.state in (TickState.RAN, TickState.LATE)

    @property
    def begun_at(self) -> datetime:
        """When it began; of one under way only its claim is known."""
        return self.started_at or self.claimed_at or self.due_at

    @property
    def is_running(self) -> bool:
        return self.ran and self.outcome is None


@dataclass(frozen=True)
class Missed:
    """The ticks of one job that did not run in a downtime."""

    ticks: int
    first: datetime
    last: datetime


_COLUMNS = (
    ticks.c.id, ticks.c.job, ticks.c.due_at, ticks.c.origin, ticks.c.state, ticks.c.attempt, ticks.c.claimed_at,
    ticks.c.started_at, ticks.c.finished_at, ticks.c.outcome, ticks.c.error, ticks.c.reason,
)  # fmt: skip


class TickWatch:
    """Methods take the connection of the caller's transaction."""

    def newest(self, connection: Connection, jobs: Sequence[str]) -> dict[str, list[TickEnd]]:
        """The newest rows of each of these jobs, newest first."""
        found: dict[str, list[TickEnd]] = {job: [] for job in jobs}
        if jobs:
            for row in connection.execute(_newest_of(tuple(jobs))):
                found[row.job].append(_end(row))
        return found

    def latest(self, connection: Connection, job: str, limit: int) -> list[TickEnd]:
        """The newest rows of a job that ran, ended or not, and of those that found it still running; newest first."""
        wanted = ticks.c.state.in_([*RUNS, TickState.OVERLAPPED.value])
        return [_end(row) for row in connection.execute(_of(job).where(wanted).limit(limit))]

    def running(self, connection: Connection) -> list[TickEnd]:
        """Runs that have not ended, by any daemon."""
        query: Select[Any] = select(*_COLUMNS).where(ticks.c.outcome.is_(None), ticks.c.owner.is_not(None))
        return [_end(row) for row in connection.execute(query)]

    def done_since(self, connection: Connection, job: str, since: datetime) -> bool:
        """Whether a run of the job that was due later than that is done."""
        query = _of(job).where(ticks.c.due_at > since, ticks.c.outcome == OutcomeKind.DONE.value).limit(1)
        return connection.execute(query).first() is not None

    def last_done_before(self, connection: Connection, job: str, before: datetime) -> datetime | None:
        """When the job's last done run before that was due, those by hand apart."""
        by_itself = ticks.c.origin != Origin.MANUAL.value
        query = _of(job).where(ticks.c.due_at < before, ticks.c.outcome == OutcomeKind.DONE.value, by_itself)
        row = connection.execute(query.limit(1)).first()
        return row.due_at if row is not None else None

    def missed(self, connection: Connection, after: datetime, before: datetime) -> dict[str, Missed]:
        """What did not run between these times as no daemon was up, or it stood still; by job."""
        query = (
            select(
                ticks.c.job,
                func.sum(ticks.c.stands_for).label("ticks"),
                func.min(ticks.c.due_at).label("first"),
                func.max(ticks.c.due_at).label("last"),
            )
            .where(ticks.c.due_at > after, ticks.c.due_at < before, ticks.c.superseded == 0, ticks.c.state.in_(_DOWN))
            .group_by(ticks.c.job)
        )
        return {row.job: Missed(int(row.ticks), row.first, row.last) for row in connection.execute(query)}

    def brought(
        self, connection: Connection, job: str, counter: str, start: datetime, end: datetime
    ) -> list[tuple[datetime, int]]:
        """What the counter of each done run was that was due within [start, end), in order. Left out is 0."""
        value = ticks.c.counters[counter].as_float()  # a whole number may be larger than PostgreSQL's INTEGER
        query = (
            select(ticks.c.due_at, value.label("value"))
            .where(
                ticks.c.job == job,
                ticks.c.due_at >= start,
                ticks.c.due_at < end,
                ticks.c.superseded == 0,
                ticks.c.outcome == OutcomeKind.DONE.value,
            )
            .order_by(ticks.c.due_at)
        )
        return [(row.due_at, int(row.value or 0)) for row in connection.execute(query)]

    def expected_since(self, connection: Connection, jobs: Sequence[str]) -> Mapping[str, datetime]:
        """Since when each job has its present schedule, or is on: what was before says nothing about now."""
        query = select(job_states.c.job, job_states.c.expected_since).where(job_states.c.job.in_(list(jobs)))
        return {row.job: row.expected_since for row in connection.execute(query)}

    def first_due(self, connection: Connection, job: str) -> datetime | None:
        """When the oldest tick was due that the ledger still knows."""
        query = select(func.min(ticks.c.due_at)).where(ticks.c.job == job)
        return connection.execute(query).scalar()


def _of(job: str) -> Select[Any]:
    newest_first = (ticks.c.due_at.desc(), ticks.c.superseded.desc())
    return select(*_COLUMNS).where(ticks.c.job == job, ticks.c.superseded == 0).order_by(*newest_first)


@lru_cache(maxsize=4)
def _newest_of(jobs: tuple[str, ...]) -> Any:
    """One statement for all jobs, built once: building it costs more than running it."""
    return union_all(*(select(_of(job).limit(NEWEST).subquery(f"of_{number}")) for number, job in enumerate(jobs)))


def _end(row: Row[Any]) -> TickEnd:
    return TickEnd(
        row.id,
        row.job,
        row.due_at,
        Origin(row.origin),
        TickState(row.state),
        row.attempt,
        row.claimed_at,
        row.started_at,
        row.finished_at,
        OutcomeKind(row.outcome) if row.outcome else None,
        row.error,
        row.reason,
    )
