"""What is open on each day of a calendar, worked out once for each UTC day and kept.

The monitor asks thousands of times in a round, nearly always about the same days. A thread that finds a day missing
works it out itself; if two do, they find the same, and one of them is kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from roundsman.conversations.shifts.span import DAY, Span, Stretch, merged, moment_of, without
from roundsman.conversations.shifts.week import AROUND_THE_CLOCK, Week

_FIRST_YEAR, _LAST_YEAR = 1900, 2199
FIRST_DAY, LAST_DAY = date(_FIRST_YEAR, 1, 1).toordinal(), date(_LAST_YEAR, 12, 31).toordinal()
"""Nothing is open before and after these: no customer waits there, and the lunar calendar holds no longer."""

_ZERO = timedelta(0)
_MOST_KEPT_DAYS = 4096
_MOST_KEPT_YEARS = 16


class Holidays(Protocol):
    """A rule that says what is closed in a year. Here, so that who has no holidays needs no lunar calendar."""

    def in_year(self, year: int) -> Sequence[Span]:
        """What begins in the year; more does no harm."""
        ...


@dataclass(frozen=True)
class Rules:
    """What makes a calendar. Equal rules mean the same hours."""

    week: Week = AROUND_THE_CLOCK
    holidays: tuple[Holidays, ...] = ()
    closed: tuple[Span, ...] = ()
    opened: tuple[Span, ...] = ()
    """Hours that hold in spite of holidays and closures."""
    usual: tuple[tuple[date, date], ...] = ()
    """Days, first and last, on which the hours of their weekday hold in spite of them."""


class Day(NamedTuple):
    """What is open in one UTC day."""

    stretches: tuple[Stretch, ...]
    total: timedelta


class Closure(NamedTuple):
    """What is closed, in UTC."""

    start: datetime
    end: datetime
    why: str


class Days:
    """The days of one calendar. Days are numbered as `date.toordinal` does."""

    def __init__(self, zone: ZoneInfo, rules: Rules) -> None:
        self._zone = zone
        self._rules = rules
        self._days: dict[int, Day] = {}
        self._years: dict[int, tuple[Closure, ...]] = {}
        self._once = self._moments(rules.closed)

    def day(self, ordinal: int) -> Day:
        """What is open on a day."""
        found = self._days.get(ordinal)
        if found is None:
            found = self._work_out(ordinal)
            if len(self._days) >= _MOST_KEPT_DAYS:
                self._days = {}  # another thread may still write into the old one, which is lost, and no harm
            self._days[ordinal] = found
        return found

    def _work_out(self, ordinal: int) -> Day:
        if not FIRST_DAY <= ordinal <= LAST_DAY:
            return Day((), _ZERO)
        start = datetime.fromordinal(ordinal).replace(tzinfo=UTC)
        window = Stretch(start, start + DAY)
        # A shift over midnight begins the day before; zones are up to a day away from UTC
        dates = [date.fromordinal(each) for each in range(ordinal - 2, ordinal + 2)]
        usual = merged(self._cut(self._hours(dates), window))
        closed = merged([Stretch(each.start, each.end) for each in self.closures(*window)])
        opened = [(span.start, span.end) for span in self._rules.opened] + self._hours(dates, in_spite=True)
        stretches = tuple(merged([*without(usual, list(closed)), *self._cut(opened, window)]))
        return Day(stretches, sum((end - begin for begin, end in stretches), _ZERO))

    def _hours(self, dates: Sequence[date], *, in_spite: bool = False) -> list[tuple[datetime, datetime]]:
        """The edges of the weekdays' hours on these dates; or only on those where they hold in spite of closures."""
        return [
            hours.on(day)
            for day in dates
            if not in_spite or any(first <= day <= last for first, last in self._rules.usual)
            for hours in self._rules.week.hours(day)
        ]

    def _cut(self, edges: Sequence[tuple[datetime, datetime]], window: Stretch) -> list[Stretch]:
        found = []
        for start, end in edges:
            if start.tzinfo is None and not _may_touch(start, end, window):
                continue  # finding moments is the dear part, and most openings are in other months
            stretch = Stretch(
                max(moment_of(start, self._zone), window.start), min(moment_of(end, self._zone), window.end)
            )
            if stretch.start < stretch.end:
                found.append(stretch)
        return found

    def closures(self, start: datetime, end: datetime) -> Iterator[Closure]:
        """The holidays and closures that touch the time between two moments, in order."""
        # The calendar's own year may have begun before or may begin after that of UTC
        years = range(max(start.year - 1, _FIRST_YEAR), min(end.year + 1, _LAST_YEAR) + 1)
        yearly = (each for year in years for each in self._in_year(year))
        found = {each for rules in (self._once, yearly) for each in rules if each.start < end and each.end > start}
        return iter(sorted(found))

    def _in_year(self, year: int) -> tuple[Closure, ...]:
        found = self._years.get(year)
        if found is None:
            found = self._moments([span for rule in self._rules.holidays for span in rule.in_year(year)])
            if len(self._years) >= _MOST_KEPT_YEARS:
                self._years = {}
            self._years[year] = found
        return found

    def _moments(self, spans: Sequence[Span]) -> tuple[Closure, ...]:
        return tuple(
            Closure(moment_of(each.start, self._zone), moment_of(each.end, self._zone), each.why) for each in spans
        )


def _may_touch(start: datetime, end: datetime, window: Stretch) -> bool:
    return start - DAY <= window.end.replace(tzinfo=None) and end + DAY >= window.start.replace(tzinfo=None)
