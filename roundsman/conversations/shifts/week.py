"""The hours of an ordinary week, and how people write them: `mon-fri = ["08:30-12:00", "13:30-22:30"]`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = r"([01]?[0-9]|2[0-4]):([0-5][0-9])"
_HOURS = re.compile(rf"\s*{_CLOCK}\s*-\s*{_CLOCK}\s*")
_DAY_MINUTES = 24 * 60


class Hours(NamedTuple):
    """Minutes of the wall clock from the midnight that begins the day; `end` is beyond 1440 when it is on the next."""

    start: int
    end: int

    def on(self, day: date) -> tuple[datetime, datetime]:
        """The two edges on a day, by the wall clock."""
        midnight = datetime.combine(day, time())
        return midnight + timedelta(minutes=self.start), midnight + timedelta(minutes=self.end)

    def __str__(self) -> str:
        return f"{_clock(self.start)}-{_clock(self.end if self.end <= _DAY_MINUTES else self.end - _DAY_MINUTES)}"


class Overlap(NamedTuple):
    """Hours that overlap."""

    weekday: str
    words: str
    """`on mon 08:00-12:00 and 11:00-13:00 overlap`"""


@dataclass(frozen=True)
class Week:
    """The hours of each weekday, Monday first. Hours belong to the day on which they begin."""

    days: tuple[tuple[Hours, ...], ...]

    def __post_init__(self) -> None:
        if len(self.days) != len(WEEKDAYS):
            raise ValueError("a week has seven days")

    def hours(self, day: date) -> tuple[Hours, ...]:
        return self.days[day.weekday()]

    def __bool__(self) -> bool:
        return any(self.days)

    @property
    def duration(self) -> timedelta:
        """By the wall clock."""
        return timedelta(minutes=sum(each.end - each.start for hours in self.days for each in hours))

    @property
    def overlap(self) -> Overlap | None:
        """The first hours that overlap, within a day or into the next one."""
        for place, today in enumerate(self.days):
            tomorrow = (place + 1) % len(self.days)
            for first, second in pairwise(today):
                if second.start < first.end:
                    return Overlap(WEEKDAYS[place], f"on {WEEKDAYS[place]} {first} and {second} overlap")
            following = self.days[tomorrow]
            if today and following and today[-1].end - _DAY_MINUTES > following[0].start:
                words = f"{today[-1]} of {WEEKDAYS[place]} and {following[0]} of {WEEKDAYS[tomorrow]} overlap"
                return Overlap(WEEKDAYS[place], words)
        return None


def make_week(days: Mapping[str, Sequence[Hours]]) -> Week:
    """A week from the hours of its weekdays; those that are not named are free."""
    return Week(tuple(tuple(sorted(days.get(name, ()))) for name in WEEKDAYS))


AROUND_THE_CLOCK = Week(((Hours(0, _DAY_MINUTES),),) * len(WEEKDAYS))


def parse_hours(text: str) -> Hours:
    """`08:30-12:00`, `22:00-06:00` over midnight, `00:00-24:00`, `24h`. Raises ValueError with half a sentence."""
    if text.strip() == "24h":
        return Hours(0, _DAY_MINUTES)
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError("is no time of day; write 08:30-12:00, 22:00-06:00 or 24h")
    start, end = (int(found[place]) * 60 + int(found[place + 1]) for place in (1, 3))
    if start >= _DAY_MINUTES or end > _DAY_MINUTES:
        raise ValueError("begins or ends after midnight; a day ends at 24:00")
    if start == end:
        raise ValueError("begins when it ends; write 24h for the whole day")
    return Hours(start, end if end > start else end + _DAY_MINUTES)


def parse_weekdays(text: str) -> tuple[str, ...] | None:
    """`mon`, `mon-fri`, `sat-mon` over Sunday, `mon,wed`; None for what names no weekdays."""
    names: list[str] = []
    for part in text.lower().split(","):
        first, dash, last = (each.strip() for each in part.partition("-"))
        if first not in WEEKDAYS or (dash and last not in WEEKDAYS):
            return None
        start, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        names += [WEEKDAYS[each % 7] for each in range(start, end + 1 if end >= start else end + 8)]
    return tuple(names)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
