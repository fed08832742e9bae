"""Ran, but did nothing: when is a row of empty runs no coincidence any more? Pure.

For each hour of the week it is learnt how likely a silence is to go on: of the runs that came after an empty one, how
many were empty, too. A silence is thereby a chain, and the chance that it lasts as long as it does is the product along
the hours that it went through: it grows unlikely in minutes on a busy morning, and not at all in a night that is always
empty. If N silences begin in a week and each is told when its chance is below RATE / N, then RATE of a job's week is
the expected number of false alarms, whatever the hours look like. That holds as far as weeks are alike.

Where they are not, the threshold is stretched by what has lately been seen: by how much longer the last silences were
than usual, as on a slow day or in a shrinking business, and by how far the longest of a week went beyond what a chain
would do, as where things come in bursts. What is known from few runs only is taken to be as likely as it may well be.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, log, sqrt
from statistics import fmean
from zoneinfo import ZoneInfo

from roundsman.watch.hours import HOURS_OF_WEEK, NOTHING, SOMETHING, Hour, hour_of_week

RATE = 1e-3
"""False alarms a week of one job and counter, if weeks are alike."""
LEAST_HISTORY = timedelta(days=14)
WINDOW = timedelta(days=30)
"""What is learnt from; the ledger holds no more."""
_A_WEEK = timedelta(days=7)
_FEWEST_EXPECTED = 3.0
"""Nats that the longest silence of a week is allowed without stretching the threshold."""
_RESERVE = 1.3
"""Four weeks know the tail of what comes in bursts no better."""
_LEAST_NATS = 1e-6
_LAST_SILENCES = 20
"""Whose length tells the pace of the day."""
_FEWEST_SILENCES = 5
_LAST_HOURS = 168
"""How far back they are looked for."""


@dataclass(frozen=True)
class Baseline:
    """What is usual for one counter of one job."""

    nats: tuple[float, ...]
    """By hour of the week: how much less likely (minus the logarithm) each further empty run makes a silence."""
    per_run: tuple[float, ...]
    """By hour of the week: what one run brings."""
    silences_per_week: float
    mean_nats: float
    """What a silence comes to."""
    stretch: float
    """How much longer the longest silences of weeks were than a chain's, at least 1."""
    weeks: float
    """Learnt from so many."""


@dataclass(frozen=True)
class Silence:
    """The empty runs since the last one that brought something."""

    runs: int
    begun: datetime | None
    """The hour in which it began; None: the last run brought something."""
    nats: float
    usual: float
    """What as many runs bring at these hours."""
    stretch: float
    """How much longer silences are at present than the baseline has them, at least 1."""
    baseline: Baseline

    @property
    def threshold(self) -> float:
        """Nats from which on it is told."""
        return self.stretch * log(self.baseline.silences_per_week / RATE)

    @property
    def is_strange(self) -> bool:
        return self.runs > 0 and self.nats >= self.threshold

    @property
    def once_in_weeks(self) -> float:
        """How often such a silence comes about by itself: once in so many weeks."""
        return exp(min(self.nats / self.stretch, 50.0)) / self.baseline.silences_per_week

    def runs_left(self, cell: int) -> int | None:
        """How many more empty runs at this hour of the week make it strange; None: as good as never."""
        missing, step = self.threshold - self.nats, self.baseline.nats[cell]
        return None if step < 1e-3 else max(int(-(-missing // step)), 0)


@dataclass(frozen=True)
class TooNew:
    """There is not enough history to say what is usual."""

    known: timedelta
    """What there is, up to the last run that brought something."""


def split(hours: Sequence[Hour]) -> tuple[Sequence[Hour], Sequence[Hour]]:
    """The hours to learn from, and those of the present silence, whose first one may have begun with something.

    A silence is not learnt from while it lasts: else it would make itself usual.
    """
    for index in range(len(hours) - 1, -1, -1):
        if SOMETHING in hours[index].marks:
            return hours[:index], hours[index:]
    return (), hours


def learn(hours: Sequence[Hour], zone: ZoneInfo) -> Baseline | TooNew:
    """What is usual, from past hours in order."""
    known = hours[-1].start - hours[0].start if hours else timedelta(0)
    if known < LEAST_HISTORY:
        return TooNew(known)
    cells = [hour_of_week(hour.start, zone) for hour in hours]
    at_risk, went_on = [0] * HOURS_OF_WEEK, [0] * HOURS_OF_WEEK
    runs, totals = [0] * HOURS_OF_WEEK, [0] * HOURS_OF_WEEK
    silences = 0
    before = SOMETHING
    for cell, hour in zip(cells, hours, strict=True):
        chain = before + hour.marks
        begun = chain.count(SOMETHING + NOTHING)
        at_risk[cell] += chain[:-1].count(NOTHING)
        went_on[cell] += hour.marks.count(NOTHING) - begun
        runs[cell] += len(hour.marks)
        totals[cell] += hour.total
        silences += begun
        before = chain[-1:]
    weeks = known / _A_WEEK
    nats = tuple(-log(each) for each in _going_on(at_risk, went_on, runs))
    per_week = (silences + 1) / weeks
    lengths = list(_lengths(hours, nats, zone))
    return Baseline(
        nats=nats,
        per_run=tuple(total / count if count else 0.0 for total, count in zip(totals, runs, strict=True)),
        silences_per_week=per_week,
        mean_nats=fmean([each for _, each in lengths]) if lengths else 0.0,
        stretch=max(_RESERVE * _longest(lengths, hours[0].start) / max(log(per_week), _FEWEST_EXPECTED), 1.0),
        weeks=weeks,
    )


def measure(last: Sequence[Hour], baseline: Baseline, zone: ZoneInfo, at_pace: float) -> Silence:
    """The silence at the end of the last hours, of which `split` gave the second part; `pace` is that of the first."""
    runs, nats, usual = 0, 0.0, 0.0
    begun: datetime | None = None
    for hour in last:
        empty = len(hour.marks) - len(hour.marks.rstrip(NOTHING))
        if empty < len(hour.marks):
            runs, nats, usual, begun = 0, 0.0, 0.0, None
        if empty == 0:
            continue
        cell = hour_of_week(hour.start, zone)
        # The first empty run begins the silence; only those after it tell anything about its going on
        nats += (empty - (runs == 0)) * baseline.nats[cell]
        usual += empty * baseline.per_run[cell]
        runs += empty
        begun = begun or hour.start
    return Silence(runs, begun, nats, usual, max(baseline.stretch, at_pace), baseline)


def pace(known: Sequence[Hour], baseline: Baseline, zone: ZoneInfo) -> float:
    """How much longer the last silences were than silences are: above 1 on a slow day."""
    last = [each for _, each in _lengths(known[-_LAST_HOURS:], baseline.nats, zone)][-_LAST_SILENCES:]
    if len(last) < _FEWEST_SILENCES or not baseline.mean_nats:
        return 1.0
    return fmean(last) / baseline.mean_nats


def _going_on(at_risk: Sequence[int], went_on: Sequence[int], runs: Sequence[int]) -> list[float]:
    """By hour of the week: the chance that an empty run is followed by another, rather too high than too low.

    An hour of which little is known leans on the same hour of the other days.
    """
    chances = []
    for cell in range(HOURS_OF_WEEK):
        days = range(cell % 24, HOURS_OF_WEEK, 24)
        daily = (sum(went_on[each] for each in days) + 0.5) / (sum(at_risk[each] for each in days) + 2)
        chance = (went_on[cell] + 4 * daily) / (at_risk[cell] + 4)
        chance += sqrt(chance * (1 - chance) / (at_risk[cell] + 8))  # one standard error
        if not runs[cell]:
            chance = 1.0  # it never ran at this hour: an empty run then says nothing
        chances.append(min(chance, 1.0 - _LEAST_NATS))
    return chances


def _lengths(hours: Sequence[Hour], nats: Sequence[float], zone: ZoneInfo) -> Iterator[tuple[datetime, float]]:
    """The silences that have ended, in nats, with the hours of their ends."""
    length: float | None = None
    for hour in hours:
        step = nats[hour_of_week(hour.start, zone)]
        for index, stretch in enumerate(hour.marks.split(SOMETHING)):
            if index and length is not None:  # something came before this stretch
                yield hour.start, length
                length = None
            if stretch:
                length = (len(stretch) - 1) * step if length is None else length + len(stretch) * step


def _longest(lengths: Sequence[tuple[datetime, float]], begin: datetime) -> float:
    """Of the longest silences of each week the second longest: the longest of all may be an outage."""
    longest: dict[int, float] = {}
    for ended, length in lengths:
        week = (ended - begin) // _A_WEEK
        longest[week] = max(longest.get(week, 0.0), length)
    return sorted(longest.values())[-2] if len(longest) > 1 else 0.0
