"""Closures out of an iCalendar file: events that happen once or again, whole days or hours, in any zone.

The two libraries are imported for such files only: they need 10 MiB.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from roundsman.conversations.shifts.span import Span

_TOO_OFTEN = frozenset({"SECONDLY", "MINUTELY", "HOURLY"})
_PARTS_OF_DAYS = ("BYHOUR", "BYMINUTE", "BYSECOND")
_CUT_AT = 60
MOST_A_YEAR = 10_000
"""Times that all events of a file come again in a year, at most: each costs a tenth of a millisecond to work out."""
_TIMES = ("DTSTART", "DTEND", "EXDATE", "RDATE", "RECURRENCE-ID")
_REPEATED = ("RRULE", "RDATE", "EXDATE", "RECURRENCE-ID")


@dataclass(frozen=True)
class IcalEvents:
    """The events of one file. Equal texts are equal."""

    text: str = field(repr=False)
    digest: str = field(init=False)
    """Stands for the text where calendars are compared."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha256(self.text.encode()).hexdigest())

    def in_year(self, year: int) -> Sequence[Span]:
        return _in_year(self, year)


def parse_ical(text: str) -> IcalEvents:
    """Read a file and try each of its events. Raises IcalError with a sentence's half for each fault."""
    faults: list[str] = []
    lines = [at for at, line in enumerate(text.splitlines(), 1) if line.strip().upper() == "BEGIN:VEVENT"]
    try:
        events = list(_parsed(text).walk("VEVENT"))
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise IcalError([_broken_line(text, str(error))]) from None
    if not events:
        raise IcalError(["holds no event; export the calendar as iCalendar (.ics)"])
    for place, event in enumerate(events):
        fault = _fault(event)
        if fault:
            where = f"line {lines[place]}: " if place < len(lines) else ""
            faults.append(f"{where}the event {_name(event)!r} {fault}")
    if faults:
        raise IcalError(faults)
    often = sum(_times_a_year(event, rule) for event in events for rule in _rules(event))
    if often > MOST_A_YEAR:
        raise IcalError(
            [f"holds events that come again up to {often:,} times a year in all; leave out what closes no shop"]
        )
    found = IcalEvents(text)
    # Events that happen once cannot go wrong, and thousands of them may lie in decades
    repeated = [event for event in events if any(name in event for name in _REPEATED)]
    for year in sorted({event.decoded("dtstart").year for event in repeated or events[:1]}):
        try:
            found.in_year(year)
        except Exception as error:  # noqa: BLE001  whatever a rule makes the libraries raise is the file's fault
            raise IcalError([f"holds an event of {year} that cannot be worked out ({error})"]) from None
    return found


class IcalError(ValueError):
    """The file is wrong. `faults` holds second halves of sentences."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(faults))


@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    from icalendar import Calendar

    return Calendar.from_ical(text)


@lru_cache(maxsize=8)
def _query(text: str) -> Any:
    import recurring_ical_events

    return recurring_ical_events.of(_parsed(text))


@lru_cache(maxsize=64)
def _in_year(events: IcalEvents, year: int) -> tuple[Span, ...]:
    found = _query(events.text).between(date(year, 1, 1), date(year + 1, 1, 2))
    return tuple(dict.fromkeys(_spans(found)))  # not sorted: whole days are naive, hours are not


def _spans(events: Sequence[Any]) -> Iterator[Span]:
    for event in events:
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        start = event.decoded("dtstart")
        end = event.decoded("dtend", None)
        if end is None:  # by the standard: a day, or no time at all
            end = start + timedelta(days=1) if not isinstance(start, datetime) else start
        yield Span(_edge(start), _edge(end), _name(event))


def _edge(value: date) -> datetime:
    return value if isinstance(value, datetime) else datetime.combine(value, time())


def _name(event: Any) -> str:
    name = " ".join(str(event.get("SUMMARY") or event.get("UID") or "without a name").split())
    return name if len(name) <= _CUT_AT else f"{name[: _CUT_AT - 3]}..."


def _fault(event: Any) -> str | None:
    broken = [f"{name}: {reason}" for name, reason in event.errors]
    if broken:
        return f"cannot be read ({broken[0]})"
    if "DTSTART" not in event:
        return "has no start (DTSTART)"
    try:
        start, end = event.decoded("dtstart"), event.decoded("dtend", event.decoded("dtstart"))
    except (ValueError, TypeError, AttributeError):
        start = end = None
    if not isinstance(start, date) or not isinstance(end, date):
        return "has a start or an end that is no time"
    zone = next(filter(None, (_unknown_zone(each) for name in _TIMES for each in _all(event, name))), None)
    if zone is not None:
        return (
            f"is in the unknown time zone {zone!r} (TZID); write one such as Europe/Berlin, or export it with its zones"
        )
    return next(filter(None, map(_fault_of_rule, _rules(event))), None)


def _all(event: Any, name: str) -> list[Any]:
    found = event.get(name, [])
    return found if isinstance(found, list) else [found]


def _rules(event: Any) -> list[Any]:
    return _all(event, "RRULE")


def _unknown_zone(value: Any) -> str | None:
    """The zone that a time names, if nobody knows it: the library takes such a time for one without a zone."""
    zone = value.params.get("TZID")
    times = [each.dt for each in getattr(value, "dts", [value])]
    is_unknown = zone is not None and any(isinstance(each, datetime) and each.tzinfo is None for each in times)
    return str(zone) if is_unknown else None


def _times_a_year(event: Any, rule: Any) -> int:
    """How often a rule comes in a year, at most."""
    days, dates, months = (len(rule.get(name, ())) for name in ("BYDAY", "BYMONTHDAY", "BYMONTH"))
    has_days = days or dates or any(name in rule for name in ("BYYEARDAY", "BYWEEKNO"))
    often = {
        "DAILY": 366,
        "WEEKLY": 53 * max(days, 1),
        "MONTHLY": 12 * max(5 * days, dates, 1),
        "YEARLY": 366 if has_days else max(months, 1),
    }.get(str(rule.get("FREQ", [""])[0]).upper(), 366)
    most: list[int] = [-(-often // max(rule.get("INTERVAL", [1])[0], 1)), *rule.get("COUNT", ())]
    for until in rule.get("UNTIL", ()):
        begins = event.decoded("dtstart")
        most.append(
            max((date(until.year, until.month, until.day) - date(begins.year, begins.month, begins.day)).days, 0) + 2
        )
    return min(*most, 366)


def _fault_of_rule(rule: Any) -> str | None:
    often = [str(each).upper() for each in rule.get("FREQ", ()) if str(each).upper() in _TOO_OFTEN]
    often += [part for part in _PARTS_OF_DAYS if part in rule]
    if often:
        return f"is repeated {often[0]}; daily is the most often that a closure comes again"
    if any(each < 1 for each in rule.get("INTERVAL", ())):
        return "is repeated after no time (INTERVAL)"
    return None


def _broken_line(text: str, reason: str) -> str:
    """With the number of the line that the library quotes, if it quotes one."""
    for quoted in re.findall(r"'([^']+)'", reason):
        for at, line in enumerate(text.splitlines(), 1):
            if quoted and line.startswith(quoted):
                return f"line {at}: is no line of an iCalendar file"
    return f"is no iCalendar file ({' '.join(reason.split())[:120]})"
