"""A stretch of time that is closed or open, with its reason, and where wall clock times lie in real time."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
_MIDNIGHT = time()


class Span(NamedTuple):
    """From `start` up to `end`, which is not in it. Naive times are the calendar's wall clock, aware ones moments."""

    start: datetime
    end: datetime
    why: str = ""


class Stretch(NamedTuple):
    """A stretch between two moments, in UTC."""

    start: datetime
    end: datetime


def whole_days(first: date, last: date, why: str = "") -> Span:
    """From the midnight before the first day to the one after the last."""
    return Span(datetime.combine(first, _MIDNIGHT), datetime.combine(last, _MIDNIGHT) + DAY, why)


def moment_of(edge: datetime, zone: ZoneInfo) -> datetime:
    """When the clock first shows this time or a later one, in UTC.

    So a time that the clock jumps over is the moment of the jump, and of a time that it shows twice the first counts.
    A stretch between two such edges takes as long as it really takes: in Berlin 02:00-04:00 has one hour when summer
    begins and three when it ends.
    """
    if edge.tzinfo is not None:
        return edge.astimezone(UTC)
    found = edge.replace(tzinfo=zone).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == edge:
        return found
    return _jump(found, zone)


def _jump(after: datetime, zone: ZoneInfo) -> datetime:
    """The last change of the offset before a moment, which is less than a day ago."""
    offset = after.astimezone(zone).utcoffset()
    low, high = 0, 2 * 86_400  # seconds before `after`: at `low` the offset is the new one, at `high` the old one
    while high - low > 1:
        middle = (low + high) // 2
        if (after - timedelta(seconds=middle)).astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return after - timedelta(seconds=low)


def merged(stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """In order, with those joined that touch or overlap, and without empty ones."""
    current: Stretch | None = None
    for each in sorted(stretches):
        if each.end <= each.start:
            continue
        if current is None or each.start > current.end:
            if current is not None:
                yield current
            current = each
        elif each.end > current.end:
            current = Stretch(current.start, each.end)
    if current is not None:
        yield current


def without(stretches: Iterable[Stretch], taken: Sequence[Stretch]) -> Iterator[Stretch]:
    """What is left of merged stretches; `taken` is merged as well."""
    for start, end in stretches:
        begin = start
        for taken_start, taken_end in taken:
            if taken_end <= begin or taken_start >= end:
                continue
            if taken_start > begin:
                yield Stretch(begin, taken_start)
            begin = max(begin, taken_end)
        if begin < end:
            yield Stretch(begin, end)
