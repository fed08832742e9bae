"""Rows of the ledger as a past that never was: written in bulk, without the daemon that would have run them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from roundsman.repositories.engine import Store, upserting
from roundsman.repositories.tables import job_states, ticks
from roundsman.scheduling.job import OutcomeKind
from roundsman.scheduling.ledger import Origin, TickState

OWNER = "host/x/1/1"


def tick(job: str, due_at: datetime, outcome: OutcomeKind | None = OutcomeKind.DONE, **more: Any) -> dict[str, Any]:
    """One row. `more` are its columns; `took` is how long it ran."""
    took = more.pop("took", timedelta(milliseconds=20))
    counters = more.pop("counters", {})
    row = {
        "job": job, "due_at": due_at, "origin": Origin.SCHEDULE.value, "state": TickState.RAN.value, "stands_for": 1,
        "owner": OWNER, "attempt": 1, "claimed_at": due_at, "started_at": due_at if outcome else None,
        "finished_at": due_at + took if outcome else None, "outcome": outcome.value if outcome else None,
        "counters": counters if outcome else None, "error": None, "reason": None,
    }  # fmt: skip
    return row | more


def unrun(job: str, due_at: datetime, state: TickState = TickState.MISSED, stands_for: int = 1) -> dict[str, Any]:
    """A tick that did not run."""
    nobody = {"owner": None, "attempt": 0, "claimed_at": None}
    return tick(job, due_at, None, state=state.value, stands_for=stands_for, reason="no daemon was running", **nobody)


def write(store: Store, rows: Iterable[dict[str, Any]]) -> None:
    """Put them into the ledger."""
    with store.write() as connection:
        connection.execute(ticks.insert(), list(rows))


def expect(store: Store, jobs: Iterable[str], since: datetime) -> None:
    """The jobs have had their schedules since then."""
    with store.write() as connection:
        rows = [{"job": job, "schedule": "as it is", "expected_since": since} for job in jobs]
        connection.execute(upserting(connection)(job_states).on_conflict_do_nothing(), rows)
