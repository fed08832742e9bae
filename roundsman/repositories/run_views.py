"""Looks at runs for people who watch them: light enough to be taken five times a second, or over a large backlog.

Every method works in the caller's transaction.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from roundsman.repositories.run_tables import run_steps, runs
from roundsman.repositories.runs import FINISHED, UNFINISHED, RunStatus


@dataclass(frozen=True, slots=True)
class Sight:
    """Where a run stands, without its input and data, which may be large. Times are aware UTC."""

    id: int
    workflow: str
    status: RunStatus
    state: str
    progress: int
    attempt: int
    """Failed ones of the present step."""
    not_before: datetime | None
    awaits: Sequence[str] | None
    asked: str | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def finished(self) -> bool:
        return self.status in FINISHED


_SIGHT = tuple(Sight.__dataclass_fields__)


class RunViews:
    """Looks."""

    def sights(self, connection: Connection, run_ids: Collection[int]) -> dict[int, Sight]:
        """These runs; one that is gone has no entry."""
        query = select(*(runs.c[name] for name in _SIGHT)).where(runs.c.id.in_(list(run_ids)))
        return {row.id: _sight(row) for row in connection.execute(query)}

    def counts(self, connection: Connection) -> Mapping[RunStatus, int]:
        """How many are queued, running, waiting, paused: an index alone is read."""
        query = select(runs.c.status, func.count()).where(UNFINISHED).group_by(runs.c.status)
        return {RunStatus(status): count for status, count in connection.execute(query)}

    def running(self, connection: Connection) -> Mapping[str, int]:
        """How many are under way, by workflow."""
        query = (
            select(runs.c.workflow, func.count().label("under_way"))
            .where(UNFINISHED, runs.c.status == RunStatus.RUNNING.value)
            .group_by(runs.c.workflow)
        )
        return {row.workflow: row.under_way for row in connection.execute(query)}

    def unsent(self, connection: Connection) -> int:
        """How many queued runs have no message yet, as the queue could not take it."""
        query = select(func.count()).where(
            UNFINISHED, runs.c.status == RunStatus.QUEUED.value, runs.c.message_id.is_(None)
        )
        return int(connection.execute(query).scalar_one())

    def retries_of(self, connection: Connection, run_id: int) -> list[int]:
        """The runs that repeat this one, the oldest first."""
        query = select(runs.c.id).where(runs.c.retry_of == run_id, runs.c.retry_of.is_not(None)).order_by(runs.c.id)
        return list(connection.execute(query).scalars())

    def before_in_group(self, connection: Connection, group: str, run_id: int) -> int | None:
        """The run of this group that is under way, or else the oldest one before this that waits or is queued."""
        query = (
            select(runs.c.id)
            .where(
                UNFINISHED,
                runs.c.status.in_([RunStatus.RUNNING.value, RunStatus.QUEUED.value, RunStatus.WAITING.value]),
                runs.c.group_key == group,
                runs.c.id != run_id,
                (runs.c.status == RunStatus.RUNNING.value) | (runs.c.id < run_id),
            )
            .order_by((runs.c.status == RunStatus.RUNNING.value).desc(), runs.c.id)
            .limit(1)
        )
        found: int | None = connection.execute(query).scalar()
        return found

    def moved_at(self, connection: Connection, run_id: int) -> datetime | None:
        """When the last unit of its record was committed."""
        query = (
            select(run_steps.c.finished_at)
            .where(run_steps.c.run_id == run_id)
            .order_by(run_steps.c.sequence.desc())
            .limit(1)
        )
        found: datetime | None = connection.execute(query).scalar()
        return found


def _sight(row: Any) -> Sight:
    return Sight(**{**row._mapping, "status": RunStatus(row.status)})
