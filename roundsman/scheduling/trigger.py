"""When a job is due: cron lines and intervals, as pure arithmetic on aware times.

Cron follows Debian's rules at clock changes, by the cronsim library: a nightly job runs exactly once on both
change days (after the gap in spring, at the first of the two equal times in autumn), while one with a wildcard
goes on every so many minutes of real time. Intervals are counted from the Unix epoch and not from the start of
the process: so two daemons on one store, and the same daemon after a restart, name the same moments, and the
ledger can see that a tick is already claimed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

SHORTEST_INTERVAL = timedelta(milliseconds=100)
LONGEST_INTERVAL = timedelta(days=366)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DURATION = re.compile(r"(?:(\d+)d)?\s*(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d+(?:\.\d+)?)s)?\s*(?:(\d+)ms)?")


class Trigger(Protocol):
    """A schedule. Equal texts name equal moments, in every process."""

    @property
    def text(self) -> str:
        """As a person would write it, with the zone where it matters."""
        ...

    @property
    def measures_elapsed_time(self) -> bool:
        """True for intervals: after the clock was set back they go on, whereas a calendar moment is not repeated."""
        ...

    def next_after(self, moment: datetime) -> datetime | None:
        """The first due time later than `moment`, UTC; None when there will never be one."""
        ...

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """The due times in (after, until], ascending, UTC."""
        ...


@dataclass(frozen=True)
class Interval:
    """`every 30s`: at whole multiples since the Unix epoch."""

    every: timedelta
    text: str
    measures_elapsed_time: bool = True

    def next_after(self, moment: datetime) -> datetime | None:
        return _EPOCH + ((moment - _EPOCH) // self.every + 1) * self.every

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        due = _EPOCH + ((after - _EPOCH) // self.every + 1) * self.every
        while due <= until:
            yield due
            due += self.every


@dataclass(frozen=True)
class Cron:
    """A cron line of 5 fields, or of 6 with seconds in front, in a time zone."""

    line: str
    zone: ZoneInfo
    measures_elapsed_time: bool = False

    @property
    def text(self) -> str:
        return f"{self.line} {self.zone.key}"

    def next_after(self, moment: datetime) -> datetime | None:
        return next(self._after(moment), None)

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        for due in self._after(after):
            if due > until:
                return
            yield due

    def _after(self, moment: datetime) -> Iterator[datetime]:
        # Without seconds in the line cronsim starts from the whole minute, so a due time that equals the moment
        # or precedes it can come first when the moment lies inside a repeated hour.
        for local in CronSim(self.line, moment.astimezone(self.zone)):
            due = local.astimezone(UTC)
            if due > moment:
                yield due


def parse_trigger(text: str, zone: ZoneInfo) -> Trigger:
    """Read a schedule.

    Raises ValueError with the reason and the right forms, to be put behind the name of the setting.
    """
    words = " ".join(text.split())
    if words.startswith("every"):
        return _parse_interval(words)
    if len(words.split(" ")) not in (5, 6):
        raise ValueError(f"{text!r} is neither a cron line of 5 or 6 fields nor an interval such as 'every 30s'")
    try:
        CronSim(words, datetime.now(UTC).astimezone(zone))
    except CronSimError as error:
        raise ValueError(
            f"{text!r} is no cron line ({str(error).lower()}); the fields are"
            " [second] minute hour day-of-month month day-of-week"
        ) from None
    return Cron(words, zone)


def parse_duration(text: str) -> timedelta:
    """Read `500ms`, `30s`, `1.5s`, `5m`, `1h30m`, `2d`.

    Raises ValueError with the reason.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is no duration; write for example 30s, 5m or 1h30m")
    days, hours, minutes, seconds, milliseconds = (float(group or 0) for group in match.groups())
    try:
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
    except OverflowError:
        raise ValueError(f"{text!r} is longer than any calendar") from None


def _parse_interval(words: str) -> Interval:
    every = parse_duration(words.removeprefix("every"))
    if not SHORTEST_INTERVAL <= every <= LONGEST_INTERVAL:
        raise ValueError(f"{words!r} is out of range; an interval lies between 100ms and 366d")
    return Interval(every, "every " + words.removeprefix("every").replace(" ", ""))
