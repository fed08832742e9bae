"""When people work, and how much of their time lies between two moments.

All arithmetic is in UTC; only what is open on a day is worked out in the calendar's own zone (see `days`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from roundsman.conversations.shifts.days import FIRST_DAY, LAST_DAY, Closure, Day, Days, Rules

OUTSIDE = "outside the shift"
HORIZON_DAYS = 731
"""Two years: who has not worked for so long does not come back."""
LONGEST_SHIFT = timedelta(days=2)
"""A calendar that is open for longer never closes."""

_ZERO = timedelta(0)


class ShiftCalendar:
    """When people work: a zone, intervals of each weekday, and days that are different.

    A closed day is closed from midnight to midnight of the calendar's zone: a night shift is cut there.
    """

    def __init__(self, name: str, zone: ZoneInfo, rules: Rules) -> None:
        self.name = name
        self.zone = zone
        self.rules = rules
        self._days = Days(zone, rules)

    def __repr__(self) -> str:
        return f"ShiftCalendar({self.name!r}, {self.zone.key}, {self.rules!r})"

    def is_open(self, at: datetime) -> bool:
        """Whether somebody works at this moment."""
        at = at.astimezone(UTC)
        return any(start <= at < end for start, end in self._days.day(at.toordinal()).stretches)

    def worked(self, start: datetime, end: datetime) -> timedelta:
        """The shift time between two moments; none if they are in the wrong order."""
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        if end <= start:
            return _ZERO
        first, last = start.toordinal(), end.toordinal()
        if first == last:
            return _within(self._days.day(first), start, end)
        between_days = range(max(first + 1, FIRST_DAY), min(last, LAST_DAY + 1))
        between = sum((self._days.day(each).total for each in between_days), _ZERO)
        return _within(self._days.day(first), start, end) + between + _within(self._days.day(last), start, end)

    def after(self, start: datetime, worked: timedelta) -> datetime | None:
        """The first moment when so much shift time has passed since the start; None if that never comes.

        Never is when nobody works for two years.
        """
        at = start.astimezone(UTC)
        if worked <= _ZERO:
            return at
        ordinal, left, idle = at.toordinal(), worked, 0
        while idle <= HORIZON_DAYS and ordinal <= LAST_DAY:
            stretches, total = self._days.day(ordinal)
            for begin, end in stretches:
                if end <= at:
                    continue
                begin = max(begin, at)
                length = end - begin
                if left <= length:
                    return begin + left
                left -= length
            idle = idle + 1 if total == _ZERO else 0
            ordinal += 1
        return None

    def opens_at(self, at: datetime) -> datetime | None:
        """The moment itself if it is open, else when it opens next; None if that never comes."""
        at = at.astimezone(UTC)
        first = at.toordinal()
        for ordinal in range(first, min(first + HORIZON_DAYS, LAST_DAY) + 1):
            for begin, end in self._days.day(ordinal).stretches:
                if end > at:
                    return max(begin, at)
        return None

    def next_shift(self, now: datetime) -> datetime | None:
        """The start of the next shift, after the present one if there is one; None if that never comes."""
        now = now.astimezone(UTC)
        horizon = now + LONGEST_SHIFT
        closes = next((end for begin, end in self.intervals(now, horizon) if begin <= now), now)
        opens = self.opens_at(closes)
        return None if opens is None or opens <= now or closes >= horizon else opens

    def intervals(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The open stretches between two moments, in order, in UTC."""
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        current: tuple[datetime, datetime] | None = None
        for ordinal in range(start.toordinal(), min(end.toordinal(), LAST_DAY) + 1):
            for begin, until in self._days.day(ordinal).stretches:
                cut = max(begin, start), min(until, end)
                if cut[0] >= cut[1]:
                    continue
                if current is not None and current[1] == cut[0]:  # days are cut at midnight
                    current = current[0], cut[1]
                    continue
                if current is not None:
                    yield current
                current = cut
        if current is not None:
            yield current

    def closed_because(self, at: datetime) -> str | None:
        """`Tet 2026 (giao thua)`, `stock-taking`, or that it is outside the shift; None while it is open."""
        at = at.astimezone(UTC)
        if self.is_open(at):
            return None
        if not FIRST_DAY <= at.toordinal() <= LAST_DAY:
            return OUTSIDE
        return next((each.why for each in self._days.closures(at, at + timedelta.resolution)), OUTSIDE)

    def closures(self, start: datetime, end: datetime) -> Iterator[Closure]:
        """The holidays and closures that touch the time between two moments, in order, and why."""
        return self._days.closures(start.astimezone(UTC), end.astimezone(UTC))


class _Always(ShiftCalendar):
    """Open day and night: what the arithmetic comes to without any."""

    def is_open(self, at: datetime) -> bool:
        return True

    def worked(self, start: datetime, end: datetime) -> timedelta:
        return max(end - start, _ZERO)

    def after(self, start: datetime, worked: timedelta) -> datetime | None:
        try:
            return start.astimezone(UTC) + max(worked, _ZERO)
        except OverflowError:
            return None

    def opens_at(self, at: datetime) -> datetime | None:
        return at.astimezone(UTC)

    def intervals(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        if start < end:
            yield start.astimezone(UTC), end.astimezone(UTC)

    def closed_because(self, at: datetime) -> str | None:
        return None


ALWAYS: ShiftCalendar = _Always("always", ZoneInfo("UTC"), Rules())
"""Open day and night."""


def _within(day: Day, start: datetime, end: datetime) -> timedelta:
    total = _ZERO
    for begin, until in day.stretches:
        begin, until = max(begin, start), min(until, end)
        if begin < until:
            total += until - begin
    return total
