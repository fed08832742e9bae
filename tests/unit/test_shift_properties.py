"""Shift time over random calendars, against an oracle that walks from minute to minute."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import assume, example, given
from hypothesis import strategies as st

from roundsman.conversations.shifts.calendar import ShiftCalendar
from roundsman.conversations.shifts.days import Rules
from roundsman.conversations.shifts.span import Span
from roundsman.conversations.shifts.week import Hours, Week

MINUTE = timedelta(minutes=1)
ZONES = [
    "Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York", "Asia/Beirut", "Asia/Kathmandu", "Australia/Lord_Howe",
    "Pacific/Apia", "UTC",
]  # fmt: skip
BEGIN = datetime(2026, 3, 20, tzinfo=UTC)
"""In the four weeks that follow the clocks of Berlin, Beirut and Lord Howe change."""
WINDOW_MINUTES = 28 * 24 * 60


@st.composite
def weeks(draw: st.DrawFn) -> Week:
    days = []
    for _ in range(7):
        edges = sorted(draw(st.sets(st.integers(0, 48), max_size=4)))
        hours = [Hours(start * 30, end * 30) for start, end in zip(edges[::2], edges[1::2], strict=False)]
        days.append(tuple(hours))
    # One night shift, cut off where the next day's hours begin
    following = days[1][0].start if days[1] else 12 * 60
    if draw(st.booleans()) and following > 0 and (not days[0] or days[0][-1].end <= 22 * 60):
        days[0] = (*days[0], Hours(22 * 60, 24 * 60 + min(following, 6 * 60)))
    return Week(tuple(days))


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start = datetime(2026, 3, 18) + draw(st.integers(0, 30 * 48)) * timedelta(minutes=30)
    return Span(start, start + draw(st.integers(1, 100)) * timedelta(minutes=30), "closed")


@st.composite
def calendars(draw: st.DrawFn) -> ShiftCalendar:
    rules = Rules(
        draw(weeks()),
        closed=tuple(draw(st.lists(spans(), max_size=3))),
        opened=tuple(draw(st.lists(spans(), max_size=2))),
    )
    return ShiftCalendar("random", ZoneInfo(draw(st.sampled_from(ZONES))), rules)


MOMENTS = st.integers(0, WINDOW_MINUTES * 60).map(lambda seconds: BEGIN + timedelta(seconds=seconds))


def afresh(calendar: ShiftCalendar) -> ShiftCalendar:
    """The same without anything kept."""
    return ShiftCalendar(calendar.name, calendar.zone, calendar.rules)


def open_minutes(calendar: ShiftCalendar, begin: datetime, count: int) -> list[bool]:
    """Minute by minute. A clock that is set back has shown those times before: the latest time so far counts."""
    rules, shown, found = calendar.rules, datetime(1, 1, 1), []
    lead = 2 * 24 * 60
    for minute in range(-lead, count):
        shown = max(shown, (begin + minute * MINUTE).astimezone(calendar.zone).replace(tzinfo=None))
        if minute >= 0:
            found.append(_open(rules, shown))
    return found


def _open(rules: Rules, shown: datetime) -> bool:
    if any(span.start <= shown < span.end for span in rules.opened):
        return True
    if any(span.start <= shown < span.end for span in rules.closed):
        return False
    return any(
        each.start * MINUTE <= shown - datetime.combine(day, time()) < each.end * MINUTE
        for day in (shown.date(), shown.date() - timedelta(days=1))
        for each in rules.week.hours(day)
    )


@given(calendars(), st.integers(0, 27 * 24 * 60), st.integers(0, 24 * 60))
@example(ShiftCalendar("b", ZoneInfo("Europe/Berlin"), Rules(Week(((Hours(120, 240),),) * 7))), 8 * 24 * 60, 24 * 60)
def test_the_oracle_finds_the_same(calendar: ShiftCalendar, start: int, length: int) -> None:
    begin = BEGIN + start * MINUTE
    expected = open_minutes(calendar, begin, length)
    assert calendar.worked(begin, begin + length * MINUTE) == sum(expected) * MINUTE
    moments = [begin + place * MINUTE for place in range(0, length, 7)]
    assert [calendar.is_open(at) for at in moments] == expected[::7]
    assert [calendar.closed_because(at) is None for at in moments] == expected[::7]


@given(calendars(), st.lists(MOMENTS, min_size=3, max_size=3).map(sorted))
def test_time_adds_up(calendar: ShiftCalendar, moments: list[datetime]) -> None:
    a, b, c = moments
    assert calendar.worked(a, b) + calendar.worked(b, c) == calendar.worked(a, c)
    assert timedelta(0) <= calendar.worked(a, b) <= b - a


@given(calendars(), MOMENTS, MOMENTS)
def test_after_is_the_first_moment_with_so_much_time(calendar: ShiftCalendar, one: datetime, other: datetime) -> None:
    start, end = min(one, other), max(one, other)
    worked = calendar.worked(start, end)
    found = calendar.after(start, worked)
    assert found is not None
    assert start <= found <= end
    assert calendar.worked(start, found) == worked
    if found > start:
        assert calendar.worked(start, found - timedelta.resolution) < worked


@given(calendars(), MOMENTS, st.lists(st.integers(0, 50_000), min_size=2, max_size=2).map(sorted))
def test_more_time_and_a_later_start_come_later(calendar: ShiftCalendar, start: datetime, minutes: list[int]) -> None:
    less, more = (calendar.after(start, each * MINUTE) for each in minutes)
    assume(less is not None and more is not None)
    assert less is not None
    assert more is not None
    assert less < more or minutes[0] == minutes[1]
    later = calendar.after(start + timedelta(hours=1), minutes[0] * MINUTE)
    assert later is None or later >= less


@given(calendars(), MOMENTS, st.integers(1, 10_000))
def test_what_was_asked_before_changes_nothing(calendar: ShiftCalendar, at: datetime, minutes: int) -> None:
    calendar.worked(at - timedelta(days=40), at + timedelta(days=3))
    calendar.after(at, minutes * MINUTE)
    other = afresh(calendar)
    assert calendar.after(at, minutes * MINUTE) == other.after(at, minutes * MINUTE)
    assert calendar.opens_at(at) == other.opens_at(at)


@given(calendars(), MOMENTS, MOMENTS)
def test_intervals_are_what_is_open(calendar: ShiftCalendar, one: datetime, other: datetime) -> None:
    start, end = min(one, other), max(one, other)
    found = list(calendar.intervals(start, end))
    assert sum((until - begin for begin, until in found), timedelta(0)) == calendar.worked(start, end)
    assert all(before[1] < after[0] for before, after in pairwise(found))
    assert all(calendar.is_open(begin) and start <= begin < until <= end for begin, until in found)


@given(calendars(), MOMENTS)
def test_it_opens_at_the_first_open_moment(calendar: ShiftCalendar, at: datetime) -> None:
    opens = calendar.opens_at(at)
    assume(opens is not None)
    assert opens is not None
    assert calendar.is_open(opens)
    assert calendar.worked(at, opens) == timedelta(0)
    assert (opens == at) == calendar.is_open(at)


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.sampled_from(ZONES))
def test_a_calendar_that_never_closes_counts_every_minute(day: date, zone: str) -> None:
    calendar = ShiftCalendar("open", ZoneInfo(zone), Rules())
    start = datetime.combine(day, time(3, 7), tzinfo=UTC)
    assert calendar.worked(start, start + timedelta(days=40)) == timedelta(days=40)
    assert calendar.after(start, timedelta(days=40)) == start + timedelta(days=40)
