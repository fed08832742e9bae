"""`[calendar.NAME]`: a zone, hours of the weekdays, holidays, and days that are different."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from roundsman.conversations.policies.section import Section, shown
from roundsman.conversations.policies.toml_lines import Path
from roundsman.conversations.shifts.calendar import ShiftCalendar
from roundsman.conversations.shifts.days import Holidays, Rules
from roundsman.conversations.shifts.holidays import Lunar, Tet, Vietnam, Yearly, parse_country
from roundsman.conversations.shifts.ical import IcalError, parse_ical
from roundsman.conversations.shifts.span import Span, whole_days
from roundsman.conversations.shifts.week import Hours, Week, make_week, parse_hours, parse_weekdays

ReadFile = Callable[[str], str]
"""The text of a file that is named; ValueError holds the second half of a sentence."""

_DAY_MONTH = re.compile(r"(lunar:)?\s*([0-9]{1,2})/([0-9]{1,2})")
_MOST_DAYS_OF_TET = 30
_A_LEAP_YEAR = 2024
_DATES = re.compile(r"(\d{4}-\d\d-\d\d)(?:\s*\.\.\s*(\d{4}-\d\d-\d\d)|[ T]+(\S.*))?")


def read_calendar(section: Section, name: str, read_file: ReadFile) -> ShiftCalendar:
    """The calendar, as far as it can be read."""
    zone, week = _zone(section), _week(section)
    holidays = _holidays(section, read_file)
    closed = {span for _, span, _ in _spans(section, "closed")}
    opened: set[Span] = set()
    usual: set[tuple[date, date]] = set()
    for path, span, has_hours in _spans(section, "open"):
        first, last = span.start.date(), (span.end - timedelta.resolution).date()
        if has_hours:
            opened.add(span)
        elif any(week.hours(date.fromordinal(day)) for day in range(first.toordinal(), last.toordinal() + 1)):
            usual.add((first, last))
        else:
            reason = "that day has no usual hours; add some, such as 09:00-12:00"
            section.faults.add(path, f"{section.label}: open: {reason}")
    section.refuse_unknown(_weekday_advice)
    rules = Rules(
        week,
        tuple(sorted(set(holidays), key=repr)),
        tuple(sorted(closed)),
        tuple(sorted(opened)),
        tuple(sorted(usual)),
    )
    return ShiftCalendar(name, zone, rules)


def _zone(section: Section) -> ZoneInfo:
    name = section.text("zone", required=True)
    try:
        return ZoneInfo(name or "UTC")
    except (OSError, ValueError, KeyError):  # KeyError: ZoneInfoNotFoundError; OSError: the name of a folder
        section.fault("zone", f"is {shown(name)}, which is no time zone; write one such as Asia/Ho_Chi_Minh")
        return ZoneInfo("UTC")


# --- the week ---


def _week(section: Section) -> Week:
    days: dict[str, list[Hours]] = {}
    written: dict[str, str] = {}
    for key in section.values:
        names = parse_weekdays(key)
        if names is None:
            continue
        hours = _hours(section, key)
        for name in names:
            if name in days:
                other = section.faults.line((*section.path, written[name]))
                section.fault(key, f"names {name} again, which has its hours in line {other}; keep one of the two")
            days[name], written[name] = hours, key
    week = make_week(days)
    clash = week.overlap
    if clash:
        section.fault(written[clash.weekday], f"{clash.words}; change one of the two")
    elif not any(section.values[key] for key in written.values()):
        section.fault(None, 'has no hours; write some, such as mon-fri = ["08:30-12:00", "13:30-22:30"]')
    return week


def _hours(section: Section, key: str) -> list[Hours]:
    found = []
    for path, text in section.entries(key):
        try:
            found.append(parse_hours(text))
        except ValueError as error:
            section.faults.add(path, f"{section.label}: {key}: {shown(text)} {error}")
    return found


def _weekday_advice(key: str) -> str | None:
    return "; weekdays are mon, tue, wed, thu, fri, sat, sun, or mon-fri" if "-" in key else None


# --- holidays ---


def _holidays(section: Section, read_file: ReadFile) -> list[Holidays]:
    found: list[Holidays] = []
    for path, entry in section.entries("holidays", tables=True):
        table = _table(section, path, "holidays", entry)
        text = table.text("on", required=True)
        if text is None:
            continue
        before = table.whole_number("before", at_least=0, up_to=_MOST_DAYS_OF_TET)
        days = table.whole_number("days", at_least=0, up_to=_MOST_DAYS_OF_TET)
        why = table.text("why") or ""
        table.refuse_unknown()
        try:
            found.append(_holiday(text, why, before, days, read_file))
        except IcalError as error:
            for fault in error.faults:
                section.faults.add(path, f"{section.label}: holidays: {text.removeprefix('ical:').strip()} {fault}")
        except ValueError as error:
            section.faults.add(path, f"{section.label}: holidays: {shown(text)} {error}")
    return found


def _holiday(text: str, why: str, before: int | None, days: int | None, read_file: ReadFile) -> Holidays:
    """Raises ValueError with the second half of a sentence."""
    tet = Tet(Tet.before if before is None else before, Tet.days if days is None else days)
    word = text.lower()
    if word in ("vietnam", "tet"):
        return Vietnam(tet) if word == "vietnam" else tet
    if before is not None or days is not None:
        raise ValueError("takes no before and days; they belong to vietnam and tet")
    kind, _, rest = (part.strip() for part in text.partition(":"))
    if kind == "country":
        return parse_country(rest)
    if kind == "ical":
        return parse_ical(read_file(rest))
    return _yearly(text, why)


def _yearly(text: str, why: str) -> Holidays:
    found = _DAY_MONTH.fullmatch(text)
    if found is None:
        raise ValueError("is no holiday; write vietnam, tet, 24/12, lunar:15/7, country:DE or ical:FILE.ics")
    day, month = int(found[2]), int(found[3])
    if found[1]:
        if not (1 <= day <= 30 and 1 <= month <= 12):
            raise ValueError("is no day of the lunar calendar; write the day first, then the month, as in lunar:15/7")
        return Lunar(day, month, why)
    try:
        date(_A_LEAP_YEAR, month, day)
    except ValueError:
        raise ValueError("is no day of the year; write the day first, then the month, as in 24/12") from None
    return Yearly(day, month, why)


# --- days that are different ---


def _spans(section: Section, key: str) -> Iterator[tuple[Path, Span, bool]]:
    """Each with its place, and whether it names hours."""
    for path, entry in section.entries(key, tables=True):
        table = _table(section, path, key, entry)
        text = table.text("on", required=True)
        why = table.text("why") if key == "closed" else None
        table.refuse_unknown()
        if text is None:
            continue
        try:
            yield (path, *_span(text, why or f"closed on {text}" if key == "closed" else ""))
        except ValueError as error:
            section.faults.add(path, f"{section.label}: {key}: {shown(text)} {error}")


def _span(text: str, why: str) -> tuple[Span, bool]:
    """`2026-09-02`, `2026-02-14..2026-02-22`, `2026-10-10 12:00-18:00`. Raises ValueError with half a sentence."""
    found = _DATES.fullmatch(text)
    try:
        first = date.fromisoformat(found[1] if found else "")
        last = date.fromisoformat(found[2]) if found and found[2] else first
    except ValueError:
        raise ValueError("is no date; write 2026-09-02, 2026-02-14..2026-02-22 or 2026-10-10 12:00-18:00") from None
    if last < first:
        raise ValueError("ends before it begins; write the first day first")
    if found and found[3]:
        return Span(*parse_hours(found[3]).on(first), why), True
    return whole_days(first, last, why), False


def _table(section: Section, path: Path, key: str, entry: Any) -> Section:
    """An entry of a list as a table: `"24/12"` is short for `{ on = "24/12" }`, and so is a date without quotes."""
    if isinstance(entry, date):
        entry = entry.isoformat()
    values: Mapping[str, Any] = entry if isinstance(entry, Mapping) else {"on": entry}
    if isinstance(values.get("on"), date):
        values = {**values, "on": values["on"].isoformat()}
    return Section(section.faults, path, f"{section.label}: {key}", values)
