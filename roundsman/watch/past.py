"""The hours of one counter, kept between looks: read from the ledger once, and from then on only what is new.

A month of a job of every 30 s is 86,400 rows, so that they are read in pieces, a day and more at each look. Until all
are there nothing can be said; a restart begins anew.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from roundsman.repositories.tick_watch import TickWatch
from roundsman.watch.hours import HOUR, NOTHING, SOMETHING, Hour, hour_of
from roundsman.watch.silence import WINDOW, Baseline, Silence, TooNew, learn, measure, pace, split

HOURS_AT_ONCE = 48
"""Of the past, a look: 6,000 rows of a job of every 30 s, or 50 ms."""
_SETTLES = HOUR
"""An hour is read again at each look until it is this long over: what was due in it may still have run."""


class Past:
    """Of one counter of one job."""

    def __init__(self, job: str, counter: str) -> None:
        self.job = job
        self.counter = counter
        self._rows = TickWatch()
        self._since: datetime | None = None
        """The job's schedule is what it is since then."""
        self._next: datetime | None = None
        """The first hour that is not settled."""
        self._settled: deque[Hour] = deque()
        self._open: Sequence[Hour] = ()
        self._learnt: tuple[object, Baseline | TooNew, float] | None = None
        self.is_read = False

    def read(self, connection: Connection, since: datetime, now: datetime, most_hours: int | None) -> None:
        """Go on reading, at most so many hours (None: all)."""
        if self._since != since or self._next is None:
            self._settled.clear()
            self._since, self._next = since, self._begin(connection, since, now)
        settled_until = hour_of(now - _SETTLES)
        end = settled_until if most_hours is None else min(settled_until, self._next + most_hours * HOUR)
        if self._next < end:
            self._settled.extend(self._hours(connection, self._next, end))
            self._next = end
        while self._settled and self._settled[0].start < now - WINDOW:
            self._settled.popleft()
        self.is_read = self._next >= settled_until
        self._open = list(self._hours(connection, self._next, hour_of(now) + HOUR)) if self.is_read else ()

    def silence(self, zone: ZoneInfo) -> Silence | TooNew:
        """What the last runs amount to. Everything must have been read."""
        known, last = split([*self._settled, *self._open])
        key = (known[0].start, known[-1].start, zone.key) if known else zone.key
        if self._learnt is None or self._learnt[0] != key:
            found = learn(known, zone)
            self._learnt = (key, found, 1.0 if isinstance(found, TooNew) else pace(known, found, zone))
        _, baseline, at_pace = self._learnt
        return baseline if isinstance(baseline, TooNew) else measure(last, baseline, zone, at_pace)

    def this_hour(self, now: datetime) -> Hour | None:
        """What came in the hour that is under way."""
        return next((hour for hour in self._open if hour.start == hour_of(now)), None)

    def silent_since(self, connection: Connection, silence: Silence) -> datetime | None:
        """When the first of the empty runs was due."""
        if silence.begun is None:
            return None
        since: datetime | None = None
        for due_at, value in self._rows.brought(
            connection, self.job, self.counter, silence.begun, silence.begun + HOUR
        ):
            since = None if value else since or due_at
        return since

    def _begin(self, connection: Connection, since: datetime, now: datetime) -> datetime:
        """The first whole hour of which everything is known."""
        first = max(filter(None, (since, now - WINDOW, self._rows.first_due(connection, self.job))))
        return hour_of(first) if first == hour_of(first) else hour_of(first) + HOUR

    def _hours(self, connection: Connection, start: datetime, end: datetime) -> Iterator[Hour]:
        rows = self._rows.brought(connection, self.job, self.counter, start, end)
        for hour, group in groupby(rows, key=lambda row: hour_of(row[0])):
            values = [value for _, value in group]
            yield Hour(hour, b"".join(SOMETHING if value else NOTHING for value in values), sum(values))
