"""A run as commands show it: in words for people, as a JSON object for programs (docs/runs.md has its fields)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from roundsman.cli.output import one_line, short_duration
from roundsman.cli.session import Session
from roundsman.owner import Owner
from roundsman.repositories.run_decisions import PAUSE
from roundsman.repositories.run_record import LogLine, Unit, UnitKind
from roundsman.repositories.run_views import Sight
from roundsman.repositories.runs import Run, RunStatus
from roundsman.runs.drivers import Drivers, drivers_of

LONGEST_REASON = 500


def run_row(run: Run) -> dict[str, Any]:
    """The JSON form, without what its steps did."""
    owner = Owner.parse(run.owner) if run.owner is not None and run.status is RunStatus.RUNNING else None
    return {
        "id": run.id,
        "workflow": run.workflow,
        "status": run.status,
        "state": run.state,
        "progress": run.progress,
        "priority": run.priority,
        "group": run.group_key,
        "dedup": run.dedup_key,
        "correlation_id": run.correlation_id,
        "failed_attempts": run.attempt,
        "crashes": run.crashes,
        "not_before": run.not_before,
        "awaits": run.awaits,
        "pausing": run.asked == PAUSE,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "expires_at": run.expires_at,
        "error": run.error,
        "retry_of": run.retry_of,
        "held_by": None if owner is None else {"host": owner.host, "pid": owner.pid},
        "lease_until": run.lease_until,
    }


def unit_row(unit: Unit) -> dict[str, Any]:
    """The JSON form of something recorded."""
    return {
        "sequence": unit.sequence,
        "kind": unit.kind,
        "name": unit.name,
        "state": unit.state,
        "event": unit.event,
        "target": unit.target,
        "attempt": unit.attempt,
        "started_at": unit.started_at,
        "finished_at": unit.finished_at,
        "took_s": (unit.finished_at - unit.started_at).total_seconds(),
        "result": unit.result,
    }


def line_row(line: LogLine) -> dict[str, Any]:
    """The JSON form of a line of a run's log."""
    return {"id": line.id, "at": line.at, "level": line.level, "step": line.step, "message": line.message}


def unit_cells(unit: Unit) -> tuple[object, ...]:
    """Sequence, what, from -> to, event, attempt, duration."""
    name = unit.name if unit.kind is UnitKind.STEP else f"{unit.kind} {unit.name}"
    way = unit.state if unit.target is None else f"{unit.state} -> {unit.target}"
    took = short_duration(unit.finished_at - unit.started_at)
    return unit.sequence, name, way, unit.event or "", unit.attempt, took


def took(run: Run | Sight) -> str:
    """From the first step to the end: `3.2 s`; empty for one that has not ended."""
    if run.finished_at is None:
        return ""
    return short_duration(run.finished_at - (run.started_at or run.created_at))


def standing(run: Run | Sight, now: datetime) -> str:
    """`running in working, 33 %`, `waiting for approve or reject`, `failed: the reason`."""
    words = str(run.status)
    if run.status is RunStatus.QUEUED and run.attempt:
        words += f" after {run.attempt} failed attempt{'' if run.attempt == 1 else 's'}"
        if run.not_before is not None and run.not_before > now:
            words += f", next in {short_duration(run.not_before - now)}"
    elif run.not_before is not None and run.not_before > now and not run.awaits:
        words += f", due in {short_duration(run.not_before - now)}"
    if run.awaits:
        words += f" for {' or '.join(run.awaits)}"
    elif run.status in (RunStatus.RUNNING, RunStatus.PAUSED):
        words += f" in {run.state}"
    if run.progress and not run.finished:
        words += f", {run.progress} %"
    if run.asked == PAUSE:
        words += ", pauses after this step"
    tells = run.error and (run.finished or (run.status is RunStatus.QUEUED and run.attempt))  # of others it is over
    return f"{words}: {one_line(run.error, LONGEST_REASON)}" if run.error and tells else words


def drivers(session: Session) -> Drivers:
    """Who drives runs on this store."""
    with session.store.read() as connection:
        return drivers_of(connection, session.app.driving_job, session.clock.now())


def numbers(run_ids: Sequence[int]) -> str:
    """`run 4`, `runs 4, 7`."""
    return f"run{'' if len(run_ids) == 1 else 's'} {', '.join(map(str, run_ids))}"
