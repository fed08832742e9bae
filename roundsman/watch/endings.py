"""How a job's runs ended lately: is it failing, since when, and is that worth telling? Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median_high

from roundsman.repositories.tick_watch import TickEnd
from roundsman.scheduling.job import OutcomeKind
from roundsman.scheduling.ledger import Origin, TickState

TOO_OFTEN_CUT_OFF = 3
"""Interruptions in a row that are no restart any more: as many as the ledger lets one tick be taken up."""
_ENOUGH_RUNS = 5
_TIMES_USUAL = 10
_NOT_LONG = timedelta(minutes=5)
"""Shorter runs are never overrunning, however short they usually are."""
_PAST_TIMEOUT = timedelta(minutes=1)
"""By then the executor has ended a run that has reached its timeout, unless its process does not live."""


@dataclass(frozen=True)
class Streak:
    """The runs since the last good one, none of which ended well."""

    failures: int
    """Failed and timed out, with the ticks that found the last of them still holding its thread."""
    cut_off: int
    since: datetime
    """The first of them was due."""
    last: TickEnd
    """The newest that ended."""
    is_whole: bool
    """Whether the good run before it is known; else there may be more of them."""

    @property
    def times(self) -> int:
        return self.failures or self.cut_off

    def is_told(self, after: int) -> bool:
        """Whether it is worth telling, by the job's policy."""
        return self.failures >= after or self.cut_off >= max(after, TOO_OFTEN_CUT_OFF)

    @property
    def error(self) -> str | None:
        """What the newest of them died of, as far as its outcome does not say it already."""
        is_cut_off = self.last.outcome is OutcomeKind.INTERRUPTED
        return self.last.error or (self.last.reason if is_cut_off else None)


_COUNT = (OutcomeKind.DONE, OutcomeKind.FAILED, OutcomeKind.TIMED_OUT, OutcomeKind.INTERRUPTED)


def says_something(rows: Sequence[TickEnd]) -> bool:
    """Whether any of these rows tells how the job fares; else older ones must be asked."""
    return any(row.outcome in _COUNT and _is_news(row) for row in rows)


def _is_news(row: TickEnd) -> bool:
    return row.origin is not Origin.MANUAL or row.outcome is OutcomeKind.DONE


def is_good(newest_first: Sequence[TickEnd]) -> bool:
    """Whether the newest run that counts was done, so that there is no streak."""
    return next((row.outcome is OutcomeKind.DONE for row in newest_first if says_something([row])), False)


def streak(newest_first: Sequence[TickEnd]) -> Streak | None:
    """What a job's newest rows amount to; None when its last run that counts was good.

    Snoozed and cancelled runs count neither way: nothing was done, and nothing failed. What a person runs by hand
    and sees failing is no news to anybody; if it is done, that is an end all the same.
    """
    failures = cut_off = hung = 0
    bad: list[TickEnd] = []
    for row in newest_first:
        if row.is_running:
            hung = 0  # those ticks met this run, which has not failed yet
        elif row.state is TickState.OVERLAPPED:
            hung += not bad
        elif row.outcome is OutcomeKind.DONE:
            return _streak(failures, cut_off, hung, bad, is_whole=True)
        elif row.outcome in _COUNT and _is_news(row):
            if row.outcome is OutcomeKind.INTERRUPTED:
                cut_off += max(row.attempt, 1)
            else:
                failures += 1
            bad.append(row)
    return _streak(failures, cut_off, hung, bad, is_whole=False)


def _streak(failures: int, cut_off: int, hung: int, bad: Sequence[TickEnd], *, is_whole: bool) -> Streak | None:
    if not bad:
        return None
    return Streak(failures + hung if failures else 0, cut_off, bad[-1].due_at, bad[0], is_whole)


@dataclass(frozen=True)
class Overrun:
    """A run that takes longer than it should."""

    elapsed: timedelta
    allowed: timedelta
    usual: timedelta | None


def may_overrun(run: TickEnd, now: datetime) -> bool:
    """Whether it is worth asking how long the job usually takes."""
    return now - run.begun_at > _NOT_LONG


def overrun(run: TickEnd, past: Sequence[TickEnd], timeout: timedelta, now: datetime) -> Overrun | None:
    """Whether a run that is under way takes too long: past its timeout, or ten times what is usual."""
    elapsed = now - run.begun_at
    took = [
        row.finished_at - row.started_at
        for row in past
        if row.outcome is OutcomeKind.DONE and row.started_at is not None and row.finished_at is not None
    ]
    usual = median_high(took) if len(took) >= _ENOUGH_RUNS else None
    allowed = timeout + _PAST_TIMEOUT
    if usual is not None:
        allowed = min(allowed, max(usual * _TIMES_USUAL, _NOT_LONG))
    return Overrun(elapsed, allowed, usual) if may_overrun(run, now) and elapsed > allowed else None
