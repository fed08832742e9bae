"""A tick of the ledger as commands show it: in words for people, as a JSON object for programs."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from roundsman.cli.output import short_duration
from roundsman.clock import wall_time
from roundsman.repositories.tick_history import TickRecord


def local_time(moment: datetime | None, zone: ZoneInfo) -> str:
    """`2026-03-03 04:00:00 UTC`; empty for no time."""
    return wall_time(moment, zone) if moment is not None else ""


def last_words(record: TickRecord | None, zone: ZoneInfo) -> str:
    """How a run ended: `done in 20 ms, 2026-03-03 04:00:00 UTC: checked=28`."""
    if record is None:
        return "never"
    took = f" in {short_duration(record.duration)}" if record.duration is not None else ""
    what = what_came(record)
    return f"{record.outcome or 'running'}{took}, {local_time(record.due_at, zone)}{': ' + what if what else ''}"


def what_came(record: TickRecord) -> str:
    """What is to be said about it: counters, reason, error."""
    counters = " ".join(f"{name}={value}" for name, value in record.counters.items())
    return "; ".join(filter(None, (counters, record.reason, record.error)))


def tick_row(record: TickRecord) -> dict[str, Any]:
    """The JSON form."""
    return {
        "id": record.id,
        "job": record.job,
        "due_at": record.due_at,
        "origin": record.origin,
        "state": record.state,
        "stands_for": record.stands_for,
        "outcome": record.outcome,
        "attempt": record.attempt,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        "duration_s": record.duration.total_seconds() if record.duration is not None else None,
        "counters": record.counters,
        "reason": record.reason,
        "error": record.error,
        "traceback": record.traceback,
    }
