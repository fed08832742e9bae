"""The record of runs: what each step did, what it said, and what the world is still to be told of it.

A recorded unit has its place (run, sequence) and its name. Steps and calls share the numbering, in the order in which
they were committed, so the record reads as the run's history and a replay can be held against it.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, text

from roundsman.repositories.rows import InsertRows
from roundsman.repositories.run_tables import run_events, run_logs, run_steps


class UnitKind(StrEnum):
    """What a recorded unit was."""

    STEP = "step"
    CALL = "call"
    """Something done outside within a step, once."""
    SIGNAL = "signal"
    """An event from outside ended a wait."""
    TIMER = "timer"
    """A time that had come ended a wait."""


class Unit(NamedTuple):
    """One recorded unit of a run. Times are aware UTC."""

    run_id: int
    sequence: int
    kind: UnitKind
    name: str
    state: str
    event: str | None
    target: str | None
    result: Any
    attempt: int
    started_at: datetime
    finished_at: datetime


class LogLine(NamedTuple):
    """Something that a run said."""

    run_id: int
    at: datetime
    level: str
    step: str | None
    message: str
    id: int = 0


class RunEvent(NamedTuple):
    """Something that the world is to be told, such as `run.completed`."""

    run_id: int
    event: str
    payload: Mapping[str, Any]


_UNITS = InsertRows(run_steps, tuple(Unit._fields))
_LINES = InsertRows(run_logs, ("run_id", "at", "level", "step", "message"))
_EVENTS = InsertRows(run_events, ("run_id", "sink", "event", "payload", "created_at", "not_before"))


class RunRecord:
    """Appends to the record and reads it. Every method works in the caller's transaction."""

    def add_units(self, connection: Connection, units: Sequence[Unit]) -> None:
        _UNITS.execute(
            connection,
            [
                (u.run_id, u.sequence, u.kind.value, u.name, u.state, u.event, u.target, u.result, u.attempt,
                 u.started_at, u.finished_at)
                for u in units
            ],
        )  # fmt: skip

    def add_lines(self, connection: Connection, lines: Sequence[LogLine]) -> None:
        _LINES.execute(connection, [(line.run_id, line.at, line.level, line.step, line.message) for line in lines])

    def add_events(
        self, connection: Connection, sinks: Sequence[str], events: Sequence[RunEvent], now: datetime
    ) -> None:
        """Put each event into the outbox, once for each sink."""
        _EVENTS.execute(connection, [(e.run_id, sink, e.event, e.payload, now, now) for e in events for sink in sinks])

    def units(self, connection: Connection, run_id: int) -> list[Unit]:
        """All that was recorded of a run, in order."""
        query = select(run_steps).where(run_steps.c.run_id == run_id).order_by(run_steps.c.sequence)
        return [_unit(row) for row in connection.execute(query)]

    def calls_since(self, connection: Connection, starts: Mapping[int, int]) -> dict[int, list[Unit]]:
        """The calls that the present step of each run has recorded in an earlier attempt; by run, from its sequence."""
        if not starts:
            return {}
        found: dict[int, list[Unit]] = {}
        if connection.dialect.name == "sqlite":
            given: dict[str, Any] = {"pairs": json.dumps(list(starts.items()))}
        else:
            given = {"ids": list(starts), "starts": list(starts.values())}
        for row in connection.execute(_present_statement(connection.dialect.name), given):
            found.setdefault(row.run_id, []).append(_unit(row))
        return found

    def lines(self, connection: Connection, run_id: int, *, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """What the run said after the line with this id, oldest first."""
        query = (
            select(run_logs)
            .where(run_logs.c.run_id == run_id, run_logs.c.id > after)
            .order_by(run_logs.c.id)
            .limit(limit)
        )
        return [
            LogLine(row.run_id, row.at, row.level, row.step, row.message, row.id) for row in connection.execute(query)
        ]


@cache
def _present_statement(dialect: str) -> Any:
    """For any number of runs: with a condition for each of them, SQLite refuses 1,000."""
    if dialect == "sqlite":
        pairs = "SELECT json_extract(value, '$[0]') AS run_id, json_extract(value, '$[1]') AS start"
        source = f"({pairs} FROM json_each(:pairs)) AS present"
    else:
        source = "unnest(CAST(:ids AS bigint[]), CAST(:starts AS int[])) AS present(run_id, start)"
    names = [f"s.{column.name}" for column in run_steps.c]
    return text(
        f"SELECT {', '.join(names)} FROM {source} JOIN run_steps AS s"  # noqa: S608  our own names
        " ON s.run_id = present.run_id AND s.sequence >= present.start ORDER BY s.run_id, s.sequence"
    ).columns(*run_steps.c)


def _unit(row: Any) -> Unit:
    return Unit(**{**row._mapping, "kind": UnitKind(row.kind)})
