"""`roundsman conversations calendar`: when a shift calendar is open, and why it is closed on other days."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

import typer

from roundsman.cli.arguments import JsonOption
from roundsman.cli.output import print_json, print_table, say
from roundsman.cli.policies import calendar_rows, print_calendars
from roundsman.cli.session import Session
from roundsman.conversations.shifts.calendar import ShiftCalendar
from roundsman.conversations.shifts.span import moment_of
from roundsman.errors import BadInputError

_FIRST, _LAST = date(1970, 1, 1), date(2199, 12, 31)


def show_calendar(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="All in short when left out.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="The first day; today by default.")
    ] = None,
    days: Annotated[int, typer.Option("--days", "-n", min=1, max=3660, help="How many days.")] = 14,
    as_json: JsonOption = False,
) -> None:
    """Show the hours of a shift calendar day by day, and why it is closed."""
    session: Session = ctx.obj
    calendars, now = session.app.conversations.policies.calendars, session.clock.now()
    if name is None:
        if as_json:
            print_json(calendar_rows(calendars, now))
        else:
            print_calendars(calendars, now)
        return
    if name not in calendars:
        known = ", ".join(sorted(calendars)) or "none; they stand in the file that POLICIES_FILE names"
        raise BadInputError(f"There is no calendar {name!r}; known are {known}.")
    calendar = calendars[name]
    first = _day(start) if start else now.astimezone(calendar.zone).date()
    listing = list(_listing(calendar, first, days))
    if as_json:
        print_json(listing)
        return
    print_table(
        ["DATE", "DAY", "OPEN", "CLOSED"],
        [(row["date"], row["day"], _hours(calendar, row["open"]), ", ".join(row["closed"])) for row in listing],
        title=f"Calendar {name}, {calendar.zone.key}",
    )
    total = sum((end - begin for row in listing for begin, end in row["open"]), timedelta(0))
    say(f"Open for {total / timedelta(hours=1):.1f} h.")


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not _FIRST <= day <= _LAST:
        raise BadInputError(f"--from: {text!a} is no date from 1970 to 2199; write it like 2027-02-06.")
    return day


def _listing(calendar: ShiftCalendar, first: date, days: int) -> Iterator[dict[str, Any]]:
    for ordinal in range(first.toordinal(), first.toordinal() + days):
        day = date.fromordinal(ordinal)
        start, end = (moment_of(datetime.combine(each, time()), calendar.zone) for each in (day, day + timedelta(1)))
        closed = [closure.why for closure in calendar.closures(start, end)]
        stretches = list(calendar.intervals(start, end))
        if not stretches and not closed:
            closed = ["no shift"]
        yield {"date": day.isoformat(), "day": f"{day:%a}".lower(), "open": stretches, "closed": closed}


def _hours(calendar: ShiftCalendar, stretches: list[tuple[datetime, datetime]]) -> str:
    return "  ".join(f"{_clock(calendar, begin)}-{_clock(calendar, end, is_end=True)}" for begin, end in stretches)


def _clock(calendar: ShiftCalendar, moment: datetime, *, is_end: bool = False) -> str:
    text = f"{moment.astimezone(UTC).astimezone(calendar.zone):%H:%M}"
    return "24:00" if is_end and text == "00:00" else text
