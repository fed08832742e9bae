"""Calendars that several tests use, and short forms for their parts."""

from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from roundsman.conversations.shifts.calendar import ShiftCalendar
from roundsman.conversations.shifts.days import Holidays, Rules
from roundsman.conversations.shifts.span import Span
from roundsman.conversations.shifts.week import Week, make_week, parse_hours, parse_weekdays

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
BERLIN = ZoneInfo("Europe/Berlin")


def week(**days: Iterable[str]) -> Week:
    """`week(mon_fri=["08:30-12:00"], sat=[...])`."""
    hours = {}
    for names, texts in days.items():
        for name in parse_weekdays(names.replace("_", "-")) or ():
            hours[name] = [parse_hours(text) for text in texts]
    return make_week(hours)


SHOP_WEEK = week(mon_fri=["08:30-12:00", "13:30-22:30"], sat_sun=["09:00-12:00"])


def calendar(
    shifts: Week = SHOP_WEEK,
    zone: ZoneInfo = HANOI,
    holidays: Iterable[Holidays] = (),
    closed: Iterable[Span] = (),
    opened: Iterable[Span] = (),
) -> ShiftCalendar:
    return ShiftCalendar("shop", zone, Rules(shifts, tuple(holidays), tuple(closed), tuple(opened)))


def local(text: str, zone: ZoneInfo = HANOI) -> datetime:
    """`2026-03-03 11:50` by the wall clock of a zone, as a moment."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
