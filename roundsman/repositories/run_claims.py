"""Who may work on a run: claims with a lease and a token, and the changes that only the holder of a claim can make.

The token grows with each claim and with everything that takes a run away from its holder (a lease that ran out, a
dead process, a cancellation). Each change names the token, so that a holder who was away too long changes nothing.
Whoever takes it for granted that a claim is good, and that its holder is asked for nothing, is told by the change: it
finds fewer rows than it names, and `ClaimLostError` ends the transaction. Then `holding` tells which claims are good
and what is asked, and the changes after it in the same transaction must all succeed. On SQLite nobody can come between,
as the transaction holds the write lock. On PostgreSQL somebody can: then it is the same error, and the same way out.

The records of the hot path are named tuples: every run makes a few, and frozen dataclasses take five times as long.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, case, false, func, or_, select, text, update

from roundsman.repositories.columns import UtcTime
from roundsman.repositories.rows import InsertRows, JsonText, UpdateRows, among, many
from roundsman.repositories.run_decisions import PAUSE
from roundsman.repositories.run_tables import runs
from roundsman.repositories.runs import UNFINISHED, NewRun, RunStatus
from roundsman.repositories.statement import Statement, read_json


class ClaimLostError(Exception):
    """A claim is lost, or its holder is asked for something: nothing of this transaction may be committed."""


class ClaimedRun(NamedTuple):
    """What the holder needs to go on with a run."""

    id: int
    token: int
    workflow: str
    state: str
    input: Mapping[str, Any]
    data: Mapping[str, Any]
    sequence: int
    attempt: int
    """Failed ones of the present step."""
    crashes: int
    progress: int
    correlation_id: str
    on_time: str | None
    """It was waiting, its time has come, and this is the event to take."""
    keep_s: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Why a run cannot be claimed now."""

    status: RunStatus
    not_before: datetime | None
    lease_until: datetime | None


class Advance(NamedTuple):
    """The next state of a run that its holder goes on with."""

    id: int
    token: int
    state: str
    data: Mapping[str, Any]
    sequence: int
    progress: int


class Leave(NamedTuple):
    """How a run stands when its holder lets go of it."""

    id: int
    token: int
    status: RunStatus
    state: str
    data: Mapping[str, Any]
    sequence: int
    attempt: int
    crashes: int
    progress: int
    not_before: datetime | None = None
    awaits: Sequence[str] | None = None
    on_time: str | None = None
    error: str | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None


_ADVANCE = UpdateRows(
    runs,
    ("id", "token"),
    ("state", "data", "sequence", "progress"),
    fixed="attempt = 0, crashes = 0, on_time = NULL",
    where="asked IS NULL",
)
_LEFT = (
    "status", "state", "data", "sequence", "attempt", "crashes", "progress", "not_before", "awaits", "on_time",
    "error", "finished_at", "expires_at",
)  # fmt: skip
_FREE = "owner = NULL, lease_until = NULL, asked = NULL"
_LEAVE = UpdateRows(runs, ("id", "token"), _LEFT, fixed=_FREE)
_PUT_BACK = UpdateRows(runs, ("id", "token"), _LEFT, fixed=_FREE, where="asked IS NULL")
_PROGRESS = UpdateRows(runs, ("id", "token"), ("progress",))
# A waiting run is claimable by its time only: one without a time has no `not_before`
_CLAIM = Statement("""
UPDATE runs SET status = 'running', owner = :owner, lease_until = :until, token = token + 1,
    started_at = COALESCE(started_at, :now), not_before = NULL, awaits = NULL, asked = NULL
WHERE id AMONG :ids AND (
    (status = 'queued' AND (not_before IS NULL OR not_before <= :now)) OR (status = 'waiting' AND not_before <= :now)
)
RETURNING id, token, workflow, state, CAST(input AS text), CAST(data AS text), sequence, attempt, crashes, progress,
    correlation_id, on_time, keep_s
""")
_HOLDING = Statement("SELECT id, token, asked FROM runs WHERE id AMONG :ids AND status = 'running'")
_INSERT = InsertRows(
    runs,
    ("id", "workflow", "status", "state", "input", "data", "priority", "correlation_id", "owner", "token",
     "lease_until", "message_id", "created_at", "started_at", "keep_s"),
)  # fmt: skip


class RunClaims:
    """Claims runs for one owner. Every method works in the caller's transaction."""

    def __init__(self, owner: str, lease: timedelta) -> None:
        self._owner = owner
        self._lease = lease

    def claim(self, connection: Connection, ids: Sequence[int], now: datetime) -> list[ClaimedRun]:
        """Take those of these runs that are due and free."""
        if not ids:
            return []
        rows = _CLAIM.run(connection, ids=list(ids), owner=self._owner, now=now, until=now + self._lease)
        inputs, data = read_json([row[4] for row in rows]), read_json([row[5] for row in rows])
        return [
            ClaimedRun._make((*row[:4], given, patched, *row[6:]))
            for row, given, patched in zip(rows, inputs, data, strict=True)
        ]

    def insert(
        self, connection: Connection, new: Sequence[NewRun], message_ids: Sequence[str], now: datetime
    ) -> list[ClaimedRun]:
        """Store new runs as if they had been claimed. For those without group and dedup key that are due."""
        nothing: Mapping[str, Any] = {}
        running, until = RunStatus.RUNNING.value, now + self._lease
        rows = [
            (run.id, run.workflow, running, run.state, run.input, nothing, run.priority, run.correlation_id,
             self._owner, 1, until, message_id, now, now, run.keep_s)
            for run, message_id in zip(new, message_ids, strict=True)
        ]  # fmt: skip
        _INSERT.execute(connection, rows)
        # As they would be read from the store: nobody else's objects, and nothing in them that is no JSON
        inputs = read_json([run.input if isinstance(run.input, JsonText) else json.dumps(run.input) for run in new])
        return [
            ClaimedRun(run.id, 1, run.workflow, run.state, given, nothing, 0, 0, 0, 0, run.correlation_id, None,
                       run.keep_s)
            for run, given in zip(new, inputs, strict=True)
        ]  # fmt: skip

    def standings(self, connection: Connection, ids: Sequence[int]) -> dict[int, Standing]:
        """How these runs stand; one that is gone has no entry."""
        query = select(runs.c.id, runs.c.status, runs.c.not_before, runs.c.lease_until).where(runs.c.id.in_(ids))
        return {
            row.id: Standing(RunStatus(row.status), row.not_before, row.lease_until)
            for row in connection.execute(query)
        }

    def holding(self, connection: Connection, tokens: Mapping[int, int]) -> dict[int, str | None]:
        """Of these runs those that are still held under these tokens, with what their holder is asked to do."""
        if not tokens:
            return {}
        found = _HOLDING.run(connection, ids=list(tokens))
        return {run_id: asked for run_id, token, asked in found if token == tokens[run_id]}

    def advance(self, connection: Connection, advances: Sequence[Advance]) -> None:
        """Commit a step of runs that go on. Raises ClaimLostError."""
        rows = [(a.id, a.token, a.state, a.data, a.sequence, a.progress) for a in advances]
        _ADVANCE.execute(connection, rows, ClaimLostError)

    def leave(self, connection: Connection, leaves: Sequence[Leave]) -> None:
        """Let go of runs. Raises ClaimLostError."""
        rows = [
            (x.id, x.token, x.status.value, x.state, x.data, x.sequence, x.attempt, x.crashes, x.progress,
             x.not_before, x.awaits, x.on_time, x.error, x.finished_at, x.expires_at)
            for x in leaves
        ]  # fmt: skip
        # A pause that was asked for since `holding` has looked must not be wiped out unheard
        deaf = {RunStatus.QUEUED.value, RunStatus.WAITING.value}
        back = [row for row in rows if row[2] in deaf]
        _PUT_BACK.execute(connection, back, ClaimLostError)
        rest = [row for row in rows if row[2] not in deaf] if back else rows
        _LEAVE.execute(connection, rest, ClaimLostError)

    def show_progress(self, connection: Connection, percents: Sequence[tuple[int, int, int]]) -> None:
        """Store how far runs are: (run, token, percent). One that was lost is passed over."""
        _PROGRESS.execute(connection, percents)

    def renew(self, connection: Connection, tokens: Mapping[int, int], now: datetime) -> set[int]:
        """Begin the leases of these runs anew. Those that were lost stay lost; returns the others."""
        if not tokens:
            return set()
        statement = text(
            "UPDATE runs SET lease_until = :until WHERE owner = :owner AND status = 'running' AND "  # noqa: S608  our own words
            + among(connection.dialect.name, "id", "ids")
            + " RETURNING id, token"
        ).bindparams(bindparam("until", type_=UtcTime))
        given = {"until": now + self._lease, "owner": self._owner, "ids": many(connection.dialect.name, tokens)}
        return {run_id for run_id, token in connection.execute(statement, given) if token == tokens[run_id]}

    def asked(self, connection: Connection) -> dict[int, str]:
        """What the holder of runs is asked to do, by run. Costs nothing while nobody asks."""
        query = text("SELECT id, asked FROM runs WHERE asked IS NOT NULL AND owner = :owner")
        return {row.id: row.asked for row in connection.execute(query, {"owner": self._owner})}

    def owners(self, connection: Connection) -> set[str]:
        """Everybody who holds runs."""
        query = select(runs.c.owner).distinct().where(UNFINISHED, runs.c.status == RunStatus.RUNNING.value)
        return {owner for owner in connection.execute(query).scalars() if owner is not None}

    def release(
        self, connection: Connection, owners: Collection[str], now: datetime, begun: Mapping[str, Collection[int]]
    ) -> list[int]:
        """Free the runs of these (dead) owners and those whose lease is over. Returns them.

        Each counts a crash, but for those of an owner in `begun` that it had not begun.
        """
        spared = [and_(runs.c.owner == owner, runs.c.id.not_in(list(at_work))) for owner, at_work in begun.items()]
        freed = (
            update(runs)
            .where(
                UNFINISHED,
                runs.c.status == RunStatus.RUNNING.value,
                or_(runs.c.owner.in_(list(owners)), runs.c.lease_until <= now),
            )
            .values(
                status=case((runs.c.asked == PAUSE, RunStatus.PAUSED.value), else_=RunStatus.QUEUED.value),
                owner=None,
                lease_until=None,
                asked=None,
                token=runs.c.token + 1,
                crashes=case((or_(false(), *spared), runs.c.crashes), else_=runs.c.crashes + 1),
            )
            .returning(runs.c.id)
        )
        return sorted(connection.execute(freed).scalars())

    def lease_ends(self, connection: Connection) -> datetime | None:
        """When the first lease of a run ends."""
        query = select(func.min(runs.c.lease_until)).where(UNFINISHED, runs.c.status == RunStatus.RUNNING.value)
        found: datetime | None = connection.execute(query).scalar()
        return found
