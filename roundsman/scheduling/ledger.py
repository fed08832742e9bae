"""The ledger of ticks: the words it is written in, and what the scheduler asks of whoever keeps it.

Every expected tick gets exactly one row, unique on (job, due time). Inserting the row *is* the claim, so that of
several daemons on one store exactly one runs a tick; rows for ticks that did not run say why. The SQL lives in
`roundsman.repositories.ticks`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from roundsman.scheduling.job import OutcomeKind


class TickState(StrEnum):
    """What became of a tick. Only the first two run."""

    RAN = "ran"
    LATE = "late"
    """It ran, more than a second after its time: caught up, or the machine was busy."""
    MISSED = "missed"
    """No daemon was up."""
    SUSPENDED = "suspended"
    """The daemon was up but stood still (suspended, stopped), or the clock jumped over the moment."""
    OVERLAPPED = "overlapped"
    """The previous run still worked."""
    PAUSED = "paused"
    """A person had paused the job."""


class Origin(StrEnum):
    """Where a tick comes from."""

    SCHEDULE = "schedule"
    START = "start"
    SNOOZE = "snooze"
    MANUAL = "manual"


@dataclass(frozen=True)
class TickEntry:
    """One row to be written. `state` ran or late makes it a claim."""

    job: str
    due_at: datetime
    state: TickState
    origin: Origin = Origin.SCHEDULE
    reason: str | None = None
    stands_for: int = 1

    @property
    def runs(self) -> bool:
        return self.state in (TickState.RAN, TickState.LATE)


@dataclass(frozen=True)
class RunReport:
    """How the run of a claimed tick ended."""

    tick_id: int
    started_at: datetime | None
    """None when it was claimed and never began."""
    finished_at: datetime
    outcome: OutcomeKind
    counters: Mapping[str, int] = field(default_factory=dict)
    reason: str | None = None
    again_at: datetime | None = None
    error: str | None = None
    traceback: str | None = None


@dataclass(frozen=True)
class Claimed:
    """A tick that is this process's to run."""

    tick_id: int
    entry: TickEntry


@dataclass(frozen=True)
class Expectation:
    """What the store remembers of a job when a daemon starts."""

    since: datetime
    """Ticks up to this moment are accounted for."""
    previous_schedule: str | None
    """The schedule's text under which ticks since then were expected, if it was another one."""
    paused_at: datetime | None
    interrupted: Sequence[Claimed]
    """Its newest ticks that were cut off and not followed by another run, oldest first; not yet claimed again."""
    snoozed_until: datetime | None


class Ledger(Protocol):
    """Who keeps the rows. Every method is one transaction; all raise StoreError."""

    def commit(self, entries: Sequence[TickEntry], reports: Sequence[RunReport], now: datetime) -> list[Claimed]:
        """Write rows and ends of runs together; returns the claims that this process won.

        An entry whose (job, due time) is taken is left out. A claim of a paused job becomes a `paused` row, that of a
        job which runs in another process at this moment an `overlapped` one, whatever its policy: two processes
        cannot queue for each other.
        """
        ...

    def expect(self, job: str, schedule: str, now: datetime) -> Expectation:
        """Register a job's schedule and learn from when on its ticks are unaccounted for."""
        ...

    def retire(self, jobs: Sequence[str]) -> None:
        """These jobs are switched off: from now on none of their ticks is expected, until `expect` names them again."""
        ...

    def reclaim(self, claimed: Claimed, now: datetime) -> Claimed | None:
        """Take an interrupted tick again; None when another process was first."""
        ...

    def supersede(self, job: str, after: datetime) -> int:
        """Free the slots later than `after`, written by a clock that was ahead; returns how many."""
        ...

    def interrupt_dead(self, now: datetime) -> list[str]:
        """Mark what dead processes left running as interrupted; returns the jobs' names."""
        ...
