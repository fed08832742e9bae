"""Time as an argument: every part that needs the time is given a `Clock`.

`now()` is for what is stored or shown, always aware UTC; `monotonic()` is for measuring how long something
took, as the wall clock may be set while we look. `ManualClock` ships with the package because users test
their own jobs with it.
"""

import threading
import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never set back."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to; `jump` moves the wall clock alone, as an administrator or NTP would."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("ManualClock needs an aware start time")
        self._lock = threading.Lock()
        self._now = start.astimezone(UTC)
        self._monotonic = 0.0

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        with self._lock:
            return self._monotonic

    def advance(self, by: timedelta) -> None:
        with self._lock:
            self._now += by
            self._monotonic += by.total_seconds()

    def jump(self, by: timedelta) -> None:
        with self._lock:
            self._now += by


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with a `Z`, the one form in which times leave the daemon (aware input only)."""
    if moment.tzinfo is None:
        raise ValueError(f"a naive time reached a border: {moment!r}")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def short_duration(duration: timedelta) -> str:
    """`42 ms`, `3.2 s`, `4 min 10 s`, `5 h 03 min`, `2 d 4 h`; with a minus when the clock was set back meanwhile."""
    if duration < timedelta(0):
        return f"-{short_duration(-duration)}"
    milliseconds = round(duration / timedelta(milliseconds=1))
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 59_950:
        return f"{milliseconds / 1000:.1f} s"
    minutes, rest = divmod(round(milliseconds / 1000), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def wall_time(moment: datetime, zone: tzinfo) -> str:
    """`2026-03-03 11:00:00 +07`, for people of that zone."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


class Times:
    """Moments in words, as seen from now."""

    def __init__(self, now: datetime, zone: tzinfo) -> None:
        self.now = now
        self._zone = zone

    def at(self, moment: datetime) -> str:
        """`2026-03-03 11:00:00 +07 (in 3 min)`, or `(3 min ago)`, or `(now)`."""
        words = wall_time(moment, self._zone)
        if moment == self.now:
            return f"{words} (now)"
        if moment > self.now:
            return f"{words} (in {short_duration(moment - self.now)})"
        return f"{words} ({self.so_far(moment)} ago)"

    def so_far(self, since: datetime) -> str:
        """`3 min`."""
        return short_duration(self.now - since)
