"""What a job is: class facts, one method, one outcome.

    class Greet(Job):
        name = "greet"
        schedule = "every 1h"

        def __init__(self, greetings: Greetings) -> None:   # the parts it needs, found by their type
            self._greetings = greetings

        def run(self, ctx: JobContext) -> Outcome:
            return Outcome.done(greeted=self._greetings.send(ctx.clock.now()))

The return value is the protocol: done, snoozed or cancelled. Raising anything is a failure, recorded with its
traceback. What a job is given at construction are the shared parts of the daemon; what one run needs comes in
its context.
"""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Self

from roundsman.clock import Clock


class OutcomeKind(StrEnum):
    """How one run of a job ended."""

    DONE = "done"
    SNOOZED = "snoozed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    INTERRUPTED = "interrupted"


class Overlap(StrEnum):
    """What happens to a tick that is due while the previous run of its job still works."""

    SKIP = "skip"
    """It is recorded as overlapped and does not run."""
    QUEUE = "queue"
    """It runs, late, as soon as the previous run ends; at most one waits."""


class CatchUp(StrEnum):
    """What happens to ticks that fell due while the daemon was down, suspended or stopped."""

    SKIP = "skip"
    """They are recorded and not run."""
    ONCE = "once"
    """The newest of them runs, for all."""
    ALL = "all"
    """Each of them runs, oldest first."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended, with the counters that the job wants in the ledger (`checked=40, late=2`)."""

    kind: OutcomeKind
    counters: Mapping[str, int] = field(default_factory=dict)
    reason: str | None = None
    again_in: timedelta | None = None

    @classmethod
    def done(cls, **counters: int) -> Self:
        """The work is done."""
        return cls(OutcomeKind.DONE, counters)

    @classmethod
    def snoozed(cls, again_in: timedelta, reason: str, **counters: int) -> Self:
        """Not now: one extra run is due after `again_in`, whatever the schedule says."""
        if again_in <= timedelta(0):
            raise ValueError("a snooze needs a time to come")
        return cls(OutcomeKind.SNOOZED, counters, reason, again_in)

    @classmethod
    def cancelled(cls, reason: str, **counters: int) -> Self:
        """Given up on purpose; no failure."""
        return cls(OutcomeKind.CANCELLED, counters, reason)


class StopReason(StrEnum):
    """Why a run was asked to stop."""

    TIMEOUT = "timeout"
    SHUTDOWN = "shutdown"
    CANCELLED = "cancelled"


class StoppedError(Exception):
    """Raised by `StopToken.check` inside a job: leave now, the executor knows why."""


class StopToken:
    """How a running job learns that it must end. Jobs wait on it instead of sleeping.

    Every run has one and hardly any waits on it, so the event behind it is made by the first who does.
    """

    __slots__ = ("_event", "_reason")
    _lock = threading.Lock()
    """For all of them: it is held for a moment, and seldom."""

    def __init__(self) -> None:
        self._event: threading.Event | None = None
        self._reason: StopReason | None = None

    @property
    def reason(self) -> StopReason | None:
        return self._reason

    def set(self, reason: StopReason) -> None:
        """Ask to stop. The first reason stays."""
        with self._lock:
            self._reason = self._reason or reason
            if self._event is not None:
                self._event.set()

    def is_set(self) -> bool:
        return self._reason is not None

    def wait(self, seconds: float) -> bool:
        """Wait at most this long; True as soon as the job must stop."""
        with self._lock:
            if self._reason is not None:
                return True
            if self._event is None:
                self._event = threading.Event()
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raise StoppedError if the job must stop; call it between units of work."""
        if self._reason is not None:
            raise StoppedError(self._reason)


@dataclass(frozen=True)
class JobContext:
    """What one run is given."""

    clock: Clock
    log: logging.LoggerAdapter[logging.Logger]
    """Every line carries the job's name and the run's id."""
    stop: StopToken
    due_at: datetime
    """The tick that this run answers, UTC."""
    started_at: datetime | None = None
    """What the ledger will say of it; None outside of the daemon's own process."""

    def began_at(self) -> datetime:
        """The moment as of which to judge, so that whoever reads the ledger later finds the same one there."""
        return self.started_at or self.clock.now()


class Job(ABC):
    """A piece of work with a schedule. Every fact can be overridden: JOB_<NAME>_SCHEDULE, _TIMEOUT, ..."""

    name: ClassVar[str]
    """Lower case with underscores; unique; part of the environment names."""
    schedule: ClassVar[str]
    """Cron with 5 or 6 fields (the sixth, in front, is seconds) or `every 30s`."""
    time_zone: ClassVar[str | None] = None
    """Zone of a cron schedule; None means the daemon's own (ROUNDSMAN_TIME_ZONE)."""
    timeout: ClassVar[timedelta] = timedelta(minutes=5)
    overlap: ClassVar[Overlap] = Overlap.SKIP
    catch_up: ClassVar[CatchUp] = CatchUp.ONCE
    jitter: ClassVar[timedelta] = timedelta(0)
    """Each run starts up to this much after its tick, to spread load; it does not count as late."""
    run_at_start: ClassVar[bool] = False
    """Also due once at every start of the daemon."""
    isolate: ClassVar[bool] = False
    """Run in a process of its own, which is killed at the timeout: for code that may hang, crash or eat memory."""
    needs: ClassVar[str | None] = None
    """What must be set up for it, such as `pancake`; where it is not, the job is off."""
    alert_after: ClassVar[int | None] = None
    """Failures in a row after which people are told; None: 1 for a job that runs less than hourly, else 3."""
    expects: ClassVar[tuple[str, ...]] = ()
    """Counters that are not 0 for long when all is well, so that people are told when they are."""
    memory_limit_mib: ClassVar[int | None] = None
    """With `isolate`: the address space of that process."""

    @abstractmethod
    def run(self, ctx: JobContext) -> Outcome:
        """Do the work once. Runs in a thread of its own and must look at `ctx.stop` when it takes long."""
