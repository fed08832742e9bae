"""What the runs of a job brought, hour by hour: all that the dead man learns from."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

HOUR = timedelta(hours=1)
HOURS_OF_WEEK = 168

SOMETHING, NOTHING = b"\1", b"\0"


@dataclass(frozen=True, slots=True)
class Hour:
    """The done runs of one hour, as one counter saw them."""

    start: datetime
    """UTC, a whole hour."""
    marks: bytes
    """One byte a run, in order: SOMETHING or NOTHING. A month of a job of every 30 s is 86,400 of them."""
    total: int
    """What the counter came to."""


def hour_of(moment: datetime) -> datetime:
    """The whole hour in which a moment lies."""
    return moment.replace(minute=0, second=0, microsecond=0)


def hour_of_week(start: datetime, zone: ZoneInfo) -> int:
    """0 to 167, from Monday midnight by the clock of the people."""
    local = start.astimezone(zone)
    return local.weekday() * 24 + local.hour
