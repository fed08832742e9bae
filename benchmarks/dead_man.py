"""The dead man on invented years: how often it cries for nothing, and how long it takes to notice an outage.

Each kind of trace is a job with a rhythm of its own. After four weeks to learn from, four more are walked through tick
by tick; whatever is told in them is a false alarm. Then an outage begins at a random moment. Everything is seeded.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp, log
from zoneinfo import ZoneInfo

from benchmarks.figures import NO_STORE, Figure, percentile
from roundsman.watch.hours import HOUR, HOURS_OF_WEEK, NOTHING, SOMETHING, Hour, hour_of_week
from roundsman.watch.silence import RATE, WINDOW, Baseline, learn, pace, split
from roundsman.watch.silence import measure as measure_silence

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
START = datetime(2026, 1, 4, 17, 0, tzinfo=UTC)
"""Monday midnight there."""
LEARNT_WEEKS = 4
JUDGED_WEEKS = 4
TRACES = 100
"""Of each kind; with four weeks each that is 400 weeks."""
_RELEARN_HOURS = 24
_LONGEST_OUTAGE_HOURS = 72
_NEVER = timedelta(days=365)
_SHOP_DAY = (0, 0, 0, 0, 0, 0, 2, 8, 25, 40, 45, 40, 30, 30, 35, 40, 40, 35, 40, 50, 45, 30, 10, 3)
"""Messages an hour."""


@dataclass(frozen=True)
class Kind:
    """A sort of job."""

    runs_per_hour: int
    rate: Callable[[int, int], float]
    """Events an hour, by the hour of the week and the week."""
    daily_noise: float = 0.0
    """Standard deviation of the logarithm of a day's volume."""
    bursts: bool = False
    """Whether events come in bursts of twenty minutes."""
    quiet_days: Mapping[int, float] | None = None
    """By day from the start: what remains of its volume."""


def _shop(cell: int, _week: int) -> float:
    return _SHOP_DAY[cell % 24] * (0.5 if cell >= 144 else 1.0) + 0.2


KINDS: Mapping[str, Kind] = {
    "shop": Kind(60, _shop),
    "shop_every_30s": Kind(120, _shop),
    "round_the_clock": Kind(60, lambda _cell, _week: 200.0),
    "night_shift": Kind(60, lambda cell, _week: 60.0 if cell % 24 >= 22 or cell % 24 < 6 else 0.0),
    "closed_on_sunday": Kind(60, lambda cell, week: 0.0 if cell >= 144 else _shop(cell, week)),
    "noisy_days": Kind(60, _shop, daily_noise=0.5),
    "bursts": Kind(60, _shop, daily_noise=0.3, bursts=True),
    "growing": Kind(60, lambda cell, week: _shop(cell, week) * 1.1**week, daily_noise=0.3),
    "shrinking": Kind(60, lambda cell, week: _shop(cell, week) * 0.9**week, daily_noise=0.3),
    "hourly": Kind(1, lambda cell, week: _shop(cell, week) / 10),
    "half_day_in_the_past": Kind(60, _shop, daily_noise=0.3, quiet_days={10: 0.0}),
}


def trace(kind: Kind, seed: int, weeks: int) -> list[Hour]:
    """Hours of an invented job."""
    rng = random.Random(seed)
    hours: list[Hour] = []
    volume, is_on, left = 1.0, True, 0
    for number in range(weeks * HOURS_OF_WEEK):
        if number % 24 == 0:
            volume = exp(rng.gauss(0.0, kind.daily_noise)) * (kind.quiet_days or {}).get(number // 24, 1.0)
        start = START + number * HOUR
        expected = kind.rate(hour_of_week(start, ZONE), number // HOURS_OF_WEEK) * volume / kind.runs_per_hour
        marks = bytearray()
        for _ in range(kind.runs_per_hour):
            factor = 1.0
            if kind.bursts:
                left -= 1
                if left <= 0:
                    is_on, left = not is_on, int(rng.expovariate(1 / 20)) + 1
                factor = 1.9 if is_on else 0.1
            marks += SOMETHING if rng.random() >= exp(-expected * factor) else NOTHING
        count = marks.count(SOMETHING)
        hours.append(Hour(start, bytes(marks), round(max(expected * kind.runs_per_hour, count)) if count else 0))
    return hours


@dataclass
class Watch:
    """Walks through hours as the watch does in life, learning once a day."""

    zone: ZoneInfo = ZONE
    baseline: Baseline | None = None
    nats: float = 0.0
    runs: int = 0
    told: bool = False
    stretch: float = 1.0

    def walk(self, past: Sequence[Hour], ahead: Sequence[Hour]) -> Iterator[tuple[int, int]]:
        """The alarms: number of the hour and of the run within it."""
        hours = [*past, *ahead]
        for number, hour in enumerate(ahead):
            baseline = self._prepare(hours, len(past) + number, relearn=number % _RELEARN_HOURS == 0, begin=not number)
            step = baseline.nats[hour_of_week(hour.start, self.zone)]
            threshold = self.stretch * log(baseline.silences_per_week / RATE)
            for index, mark in enumerate(hour.marks):
                if mark:
                    self.nats, self.runs, self.told = 0.0, 0, False
                    continue
                self.nats += step if self.runs else 0.0
                self.runs += 1
                if self.nats >= threshold and not self.told:
                    self.told = True
                    yield number, index

    def _prepare(self, hours: Sequence[Hour], now: int, *, relearn: bool, begin: bool) -> Baseline:
        """Learn what there is to learn before the hour of that number."""
        if relearn:
            known, _ = split([hour for hour in hours[:now] if hour.start >= hours[now].start - WINDOW])
            learnt = learn(known, self.zone)
            self.baseline = learnt if isinstance(learnt, Baseline) else self.baseline
        assert self.baseline is not None
        if begin:  # takes over the silence that is under way
            known, last = split(hours[:now])
            silence = measure_silence(last, self.baseline, self.zone, pace(known, self.baseline, self.zone))
            self.nats, self.runs, self.told = silence.nats, silence.runs, silence.is_strange
            self.stretch = silence.stretch
        elif not self.runs:
            self.stretch = max(self.baseline.stretch, pace(hours[max(now - 168, 0) : now], self.baseline, self.zone))
        return self.baseline


def false_alarms(kind: Kind, seed: int) -> int:
    """In the judged weeks of one trace."""
    hours = trace(kind, seed, LEARNT_WEEKS + JUDGED_WEEKS)
    learnt = LEARNT_WEEKS * HOURS_OF_WEEK
    return sum(1 for _ in Watch().walk(hours[:learnt], hours[learnt:]))


def delay(kind: Kind, seed: int) -> timedelta | None:
    """From the beginning of an outage at a lively moment to its alarm; None: not within three days."""
    end = START + LEARNT_WEEKS * HOURS_OF_WEEK * HOUR
    lively = [n for n in range(1, 168) if kind.rate(hour_of_week(end + n * HOUR, ZONE), LEARNT_WEEKS) >= 1.0]
    begins = random.Random(seed).choice(lively)
    whole = trace(kind, seed, LEARNT_WEEKS + 1)
    before = whole[: LEARNT_WEEKS * HOURS_OF_WEEK + begins]
    at = before[-1].start + HOUR
    ahead = [Hour(at + number * HOUR, NOTHING * kind.runs_per_hour, 0) for number in range(_LONGEST_OUTAGE_HOURS)]
    found = next(Watch().walk(before, ahead), None)
    if found is None:
        return None
    number, index = found
    return number * HOUR + (index + 1) * HOUR / kind.runs_per_hour


def measure() -> Iterator[Figure]:
    for name, kind in KINDS.items():
        alarms = [false_alarms(kind, seed) for seed in range(TRACES)]
        a_thousand = sum(alarms) * 1000 / (TRACES * JUDGED_WEEKS)
        yield Figure(f"dead_man.{name}.false_alarms_per_1000_weeks", "", NO_STORE, [a_thousand])
        delays = [each or _NEVER for each in (delay(kind, seed) for seed in range(TRACES))]
        minutes = [each / timedelta(minutes=1) for each in delays]
        yield Figure(f"dead_man.{name}.delay.p50_min", "min", NO_STORE, [percentile(minutes, 0.5)])
        yield Figure(f"dead_man.{name}.delay.p90_min", "min", NO_STORE, [percentile(minutes, 0.9)])
