"""Which ticks a job owes at this moment, and what becomes of each: a pure function.

The same rule serves the daily case (one tick, due just now), the start after a downtime and the moment after a
suspension, so that "expected" can never mean two things.
"""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from roundsman.scheduling.job import CatchUp
from roundsman.scheduling.ledger import TickEntry, TickState
from roundsman.scheduling.trigger import Trigger

LATE_AFTER = timedelta(seconds=1)
"""A run that starts later than this after its tick is `late`."""
FRESH_FOR = timedelta(seconds=5)
"""The newest tick runs whatever the policy says while it is no older: a busy machine is not a gap."""
MOST_GAP_ROWS = 10_000
"""Of a longer gap the newest ticks get a row each and one row stands for all before them: a job of every second
would otherwise owe a million rows after two weeks, written while customers wait."""


@dataclass(frozen=True)
class Gap:
    """Why ticks older than the newest one did not run."""

    state: TickState
    reason: str


def plan(
    job: str,
    trigger: Trigger,
    *,
    since: datetime,
    now: datetime,
    catch_up: CatchUp,
    gap: Gap,
    jitter: timedelta = timedelta(0),
    covered: bool = False,
) -> list[TickEntry]:
    """Entries for all ticks in (since, now], ascending.

    `covered`: a run is about to start anyway (at the start of the daemon), so that `once` owes none.
    """
    recent: deque[datetime] = deque(maxlen=MOST_GAP_ROWS)
    first: datetime | None = None
    count = 0
    for due in trigger.between(since, now):
        first = first or due
        count += 1
        recent.append(due)
    if first is None:
        return []
    fresh = now - recent[-1] <= FRESH_FOR + jitter
    entries = []
    if count > len(recent):
        older = count - len(recent)
        entries.append(
            TickEntry(
                job, first, gap.state, reason=f"{gap.reason}; with the {older - 1} ticks after it", stands_for=older
            )
        )
    for index, due in enumerate(recent):
        newest = index == len(recent) - 1
        runs = catch_up is CatchUp.ALL or (newest and (fresh or (catch_up is CatchUp.ONCE and not covered)))
        if runs:
            late = now - due - jitter > LATE_AFTER
            entries.append(TickEntry(job, due, TickState.LATE if late else TickState.RAN))
        else:
            entries.append(TickEntry(job, due, gap.state, reason=gap.reason))
    return entries
