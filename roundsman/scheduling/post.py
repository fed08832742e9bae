"""One job under dispatch: which of its ticks are owed, and which claimed ones wait for their turn."""

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from roundsman.logs import fields
from roundsman.scheduling.job import OutcomeKind, Overlap
from roundsman.scheduling.ledger import Claimed, Origin, RunReport, TickEntry, TickState
from roundsman.scheduling.plan import LATE_AFTER, Gap, plan
from roundsman.scheduling.registry import JobFacts
from roundsman.scheduling.running import Work

_STOOD_STILL = Gap(TickState.SUSPENDED, "the daemon or the machine stood still, or the clock was set forward")

log = logging.getLogger(__name__)


@dataclass
class Post:
    """Guarded by the dispatcher's lock."""

    facts: JobFacts
    work: Work
    accounted_until: datetime
    """Every tick up to here has its row, or is on its way to it."""
    waiting: deque[Claimed] = field(default_factory=deque)
    """Claimed ticks that run one after the other as soon as the present run ends."""

    def owed(self, now: datetime) -> list[TickEntry]:
        """The ticks of the schedule that nobody has accounted for yet; from now on they are."""
        entries = plan(
            self.facts.name,
            self.facts.trigger,
            since=self.accounted_until,
            now=now,
            catch_up=self.facts.catch_up,
            gap=_STOOD_STILL,
            jitter=self.facts.jitter,
        )
        self.accounted_until = max(self.accounted_until, now)
        return entries

    def beside_the_schedule(self, due_at: datetime, origin: Origin, now: datetime) -> TickEntry:
        """A tick of its own: the start of the daemon, or the end of a snooze."""
        late = now - due_at > LATE_AFTER
        return TickEntry(self.facts.name, due_at, TickState.LATE if late else TickState.RAN, origin)

    def overlapping(self, entry: TickEntry, elapsed: timedelta) -> TickEntry:
        """What becomes of a tick that is due while the job has been running for so long."""
        seconds = elapsed.total_seconds()
        queued = self.facts.overlap is Overlap.QUEUE and not self.waiting
        log.warning(
            "%s is due again but still running after %.1f s; this tick %s",
            entry.job,
            seconds,
            "waits" if queued else "is skipped",
            extra=fields(JOB=entry.job),
        )
        if queued:
            return entry
        return TickEntry(
            entry.job, entry.due_at, TickState.OVERLAPPED, entry.origin, f"still running after {seconds:.1f} s"
        )

    def give_back(self, now: datetime) -> Iterator[RunReport]:
        """End the claims that have not begun."""
        while self.waiting:
            yield never_began(self.waiting.popleft(), now)


def never_began(claimed: Claimed, now: datetime) -> RunReport:
    """The end of a claim whose run never started; the next start of the daemon may take it again."""
    return RunReport(claimed.tick_id, None, now, OutcomeKind.INTERRUPTED, reason="it was stopped before it began")
