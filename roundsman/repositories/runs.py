"""Runs as they are stored: submitted in sets, found, listed, counted.

What drives a run through its steps is in `run_claims` (who may work on it) and `run_record` (what its steps did).
Every method works in the caller's transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, text

from roundsman.repositories.numbers import numbers_for
from roundsman.repositories.queue_groups import lock
from roundsman.repositories.rows import InsertRows, JsonText, UpdateRows
from roundsman.repositories.run_tables import runs


class RunStatus(StrEnum):
    """Where a run stands, whatever its workflow."""

    QUEUED = "queued"
    """It has a message in the queue; perhaps for later (`not_before`)."""
    RUNNING = "running"
    """A process holds it."""
    WAITING = "waiting"
    """For a time, or for an event from outside."""
    PAUSED = "paused"
    """By a person, until resumed."""
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


DEDUP_LOCKS = 0x726F7570
"""Of advisory locks: see `roundsman.repositories.queue_groups`."""

FINISHED = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})

UNFINISHED = text("runs.status IN ('queued', 'running', 'waiting', 'paused')")
"""Spelled with literals, as SQLite uses a partial index only when it can see its condition in the query."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run as stored. Times are aware UTC."""

    id: int
    workflow: str
    status: RunStatus
    state: str
    input: Mapping[str, Any]
    data: Mapping[str, Any]
    priority: int
    group_key: str | None
    dedup_key: str | None
    correlation_id: str
    sequence: int
    attempt: int
    """Failed ones of the present step."""
    crashes: int
    progress: int
    not_before: datetime | None
    awaits: Sequence[str] | None
    on_time: str | None
    asked: str | None
    owner: str | None
    token: int
    lease_until: datetime | None
    message_id: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    keep_s: int | None
    expires_at: datetime | None
    error: str | None
    retry_of: int | None
    retry_from: int | None

    @property
    def finished(self) -> bool:
        return self.status in FINISHED


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that is to be submitted, with the number that it was given."""

    id: int
    workflow: str
    state: str
    input: Mapping[str, Any] | JsonText
    priority: int
    group_key: str | None
    dedup_key: str | None
    correlation_id: str
    keep_s: int | None
    not_before: datetime | None = None
    data: Mapping[str, Any] | None = None
    sequence: int = 0
    retry_of: int | None = None
    retry_from: int | None = None


_COLUMNS = tuple(Run.__dataclass_fields__)
_INSERT = InsertRows(
    runs,
    ("id", "workflow", "status", "state", "input", "data", "priority", "group_key", "dedup_key", "correlation_id",
     "sequence", "not_before", "message_id", "created_at", "keep_s", "retry_of", "retry_from"),
)  # fmt: skip

_SENT = UpdateRows(runs, ("id",), ("message_id",))


class RunRepository:
    """Submits, finds, lists and counts runs."""

    def numbers(self, connection: Connection, count: int) -> Sequence[int]:
        """Numbers for so many new runs, before they exist: their messages name them. To be called when writing."""
        return numbers_for(connection, "runs", count)

    def insert(
        self, connection: Connection, drafts: Sequence[NewRun], message_ids: Sequence[str | None], now: datetime
    ) -> None:
        """Store new runs, queued. `message_ids` are of their messages; None while those are not handed over."""
        nothing: Mapping[str, Any] = {}
        queued = RunStatus.QUEUED.value
        rows = [
            (d.id, d.workflow, queued, d.state, d.input, d.data or nothing, d.priority, d.group_key, d.dedup_key,
             d.correlation_id, d.sequence, d.not_before, message_id, now, d.keep_s, d.retry_of, d.retry_from)
            for d, message_id in zip(drafts, message_ids, strict=True)
        ]  # fmt: skip
        _INSERT.execute(connection, rows)

    def sent(self, connection: Connection, message_ids: Mapping[int, str]) -> None:
        """The messages of these runs are in the queue now."""
        _SENT.execute(connection, list(message_ids.items()))

    def in_queue(
        self,
        connection: Connection,
        before: datetime,
        *,
        after: int = 0,
        among: Sequence[int] | None = None,
        limit: int = 1000,
    ) -> list[Run]:
        """Runs that should have a message in the queue and were submitted before then, by id, after that one."""
        should = or_(
            runs.c.status == RunStatus.QUEUED.value,
            and_(
                runs.c.status == RunStatus.WAITING.value,
                or_(runs.c.not_before.is_not(None), runs.c.group_key.is_not(None)),
            ),
        )
        query = _select().where(UNFINISHED, should, runs.c.id > after, runs.c.created_at < before)
        if among is not None:
            query = query.where(runs.c.id.in_(among))
        return [_run(row) for row in connection.execute(query.order_by(runs.c.id).limit(limit))]

    def find(self, connection: Connection, run_id: int) -> Run | None:
        """One run."""
        row = connection.execute(_select().where(runs.c.id == run_id)).one_or_none()
        return None if row is None else _run(row)

    def lock_dedup(self, connection: Connection, keys: Sequence[tuple[str, str]]) -> None:
        """Before `duplicate_of`: to the end of the transaction, nobody else submits with these (workflow, key)."""
        if keys:
            lock(connection, DEDUP_LOCKS, [f"{workflow} {key}" for workflow, key in keys])

    def duplicate_of(self, connection: Connection, workflow: str, dedup_key: str, since: datetime) -> int | None:
        """An earlier run with this key that is unfinished, or was submitted after `since`."""
        query = (
            select(runs.c.id)
            .where(
                runs.c.dedup_key == dedup_key,
                runs.c.dedup_key.is_not(None),
                runs.c.workflow == workflow,
                or_(runs.c.created_at > since, runs.c.finished_at.is_(None)),
            )
            .order_by(runs.c.id.desc())
            .limit(1)
        )
        found: int | None = connection.execute(query).scalar()
        return found

    def listed(
        self,
        connection: Connection,
        *,
        workflow: str | None = None,
        statuses: Sequence[RunStatus] = (),
        group: str | None = None,
        limit: int = 50,
    ) -> list[Run]:
        """The newest runs, newest first."""
        conditions: list[ColumnElement[bool]] = []
        if workflow is not None:
            conditions.append(runs.c.workflow == workflow)
        if statuses:
            conditions.append(runs.c.status.in_([status.value for status in statuses]))
        if group is not None:
            conditions.append(runs.c.group_key == group)
        query = _select().where(and_(True, *conditions)).order_by(runs.c.id.desc()).limit(limit)
        return [_run(row) for row in connection.execute(query)]

    def unfinished(self, connection: Connection) -> dict[str, dict[RunStatus, int]]:
        """How many runs of each workflow are queued, running, waiting, paused."""
        query = select(runs.c.workflow, runs.c.status, func.count()).where(UNFINISHED).group_by("workflow", "status")
        found: dict[str, dict[RunStatus, int]] = {}
        for workflow, status, count in connection.execute(query):
            found.setdefault(workflow, {})[RunStatus(status)] = count
        return found

    def prune(self, connection: Connection, now: datetime, *, limit: int) -> int:
        """Remove finished runs whose time is over, at most so many, with all that belongs to them."""
        chosen = select(runs.c.id).where(runs.c.expires_at.is_not(None), runs.c.expires_at <= now).limit(limit)
        return connection.execute(runs.delete().where(runs.c.id.in_(chosen))).rowcount


def _select() -> Any:
    return select(*(runs.c[name] for name in _COLUMNS))


def _run(row: Row[Any]) -> Run:
    return Run(**{**row._mapping, "status": RunStatus(row.status)})
