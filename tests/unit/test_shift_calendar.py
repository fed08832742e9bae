"""Shift time, worked out by hand: the arithmetic stands beside each value. 3 March 2026 is a Tuesday."""

import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from shift_samples import BERLIN, HANOI, calendar, local, week

from roundsman.conversations.shifts.calendar import ALWAYS, OUTSIDE, ShiftCalendar
from roundsman.conversations.shifts.days import Rules
from roundsman.conversations.shifts.holidays import Tet, Vietnam, Yearly
from roundsman.conversations.shifts.span import Span, whole_days
from roundsman.conversations.shifts.week import Week, make_week

SHOP = calendar(holidays=[Vietnam()])
NIGHT = calendar(week(mon_fri=["22:00-06:00"]))
EARLY = calendar(week(mon_sun=["02:00-04:00"]), BERLIN)
NEVER = calendar(Week(((),) * 7))


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


@pytest.mark.parametrize(
    ("start", "end", "worked"),
    [
        ("2026-03-03 11:50", "2026-03-03 12:00", 10),  # all of it before lunch
        ("2026-03-03 11:50", "2026-03-03 13:40", 20),  # 11:50-12:00 is 10, 13:30-13:40 is 10
        ("2026-03-03 12:00", "2026-03-03 13:30", 0),  # lunch
        ("2026-03-03 22:20", "2026-03-04 08:40", 20),  # 22:20-22:30 is 10, 08:30-08:40 is 10
        ("2026-03-03 00:00", "2026-03-04 00:00", 750),  # 08:30-12:00 is 210, 13:30-22:30 is 540
        ("2026-03-06 22:00", "2026-03-07 10:00", 90),  # Friday 22:00-22:30 is 30, Saturday 09:00-10:00 is 60
        ("2026-03-02 00:00", "2026-03-09 00:00", 4110),  # 5 x 750 is 3750, and 2 x 180 at the weekend
        # Friday 22:00-22:30 is 30; Saturday 14 and Sunday 15 are 180 each; Monday 16 (giao thua) to Friday 20 (mung 4)
        # are closed; Saturday 21 and Sunday 22 are 180 each; Monday 23 08:30-09:00 is 30
        ("2026-02-13 22:00", "2026-02-23 09:00", 780),
        ("2026-02-16 00:00", "2026-02-21 00:00", 0),  # Tet alone
        ("2026-03-03 12:00", "2026-03-03 11:00", 0),  # the wrong way round
    ],
)
def test_the_shift_time_between_two_moments(start: str, end: str, worked: float) -> None:
    assert SHOP.worked(local(start), local(end)) == minutes(worked)


@pytest.mark.parametrize(
    ("start", "worked", "then"),
    [
        ("2026-03-03 09:00", 15, "2026-03-03 09:15"),
        ("2026-03-03 11:50", 10, "2026-03-03 12:00"),  # the last minute of the morning, not 13:30
        ("2026-03-03 11:50", 15, "2026-03-03 13:35"),  # 10 before lunch, 5 after it
        ("2026-03-03 12:30", 15, "2026-03-03 13:45"),  # counts from 13:30
        ("2026-03-03 22:20", 30, "2026-03-04 08:50"),  # 10 in the evening, 20 in the morning
        ("2026-03-03 23:59", 750, "2026-03-04 22:30"),  # all of Wednesday
        ("2026-03-06 22:25", 200, "2026-03-08 09:15"),  # 5 on Friday, 180 on Saturday, 15 on Sunday
        ("2026-02-15 11:50", 15, "2026-02-21 09:05"),  # 10 on the Sunday before Tet, 5 on the Saturday after it
        ("2026-03-03 03:00", 0, "2026-03-03 03:00"),  # no time has passed at once
    ],
)
def test_when_so_much_shift_time_has_passed(start: str, worked: float, then: str) -> None:
    assert SHOP.after(local(start), minutes(worked)) == local(then)


def test_a_night_shift_belongs_to_the_day_on_which_it_begins() -> None:
    assert not NIGHT.is_open(local("2026-03-02 03:00"))  # the night from Sunday to Monday
    assert NIGHT.is_open(local("2026-03-07 05:59"))  # Saturday morning: the end of Friday's
    assert not NIGHT.is_open(local("2026-03-07 06:00"))
    # Friday 23:30-06:00 is 390; the other 30 begin on Monday 22:00
    assert NIGHT.after(local("2026-03-06 23:30"), minutes(420)) == local("2026-03-09 22:30")


def test_a_closed_day_cuts_a_night_shift_at_its_midnights() -> None:
    closed = calendar(week(mon_fri=["22:00-06:00"]), closed=[whole_days(local_day(3), local_day(3), "stock-taking")])
    # Monday 22:00-24:00 is 120; Tuesday is closed, so is its shift until midnight; Wednesday 00:00-06:00 is 360
    assert closed.worked(local("2026-03-02 12:00"), local("2026-03-04 12:00")) == minutes(480)
    assert closed.closed_because(local("2026-03-03 05:00")) == "stock-taking"


def local_day(day: int) -> datetime:
    return datetime(2026, 3, day)


def test_a_shift_has_an_hour_less_in_spring_and_one_more_in_autumn() -> None:
    # On 29 March 2026 at 02:00 the clocks of Berlin go to 03:00; on 25 October at 03:00 back to 02:00
    assert list(EARLY.intervals(local("2026-03-29 00:00", BERLIN), local("2026-03-29 12:00", BERLIN))) == [
        (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 3, 29, 2, tzinfo=UTC))
    ]
    assert list(EARLY.intervals(local("2026-10-25 00:00", BERLIN), local("2026-10-25 12:00", BERLIN))) == [
        (datetime(2026, 10, 25, 0, tzinfo=UTC), datetime(2026, 10, 25, 3, tzinfo=UTC))
    ]


def test_an_edge_that_the_clock_jumps_over_is_the_moment_of_the_jump() -> None:
    half = calendar(week(mon_sun=["01:30-02:30"]), BERLIN)
    # 01:30-02:00 only: 02:00 is 03:00 already
    assert half.worked(local("2026-03-29 00:00", BERLIN), local("2026-03-29 12:00", BERLIN)) == minutes(30)


def test_of_an_edge_that_comes_twice_the_first_counts() -> None:
    half = calendar(week(mon_sun=["01:30-02:30"]), BERLIN)
    assert half.worked(local("2026-10-25 00:00", BERLIN), local("2026-10-25 12:00", BERLIN)) == minutes(60)


def test_a_day_on_which_the_clocks_change_has_23_or_25_hours() -> None:
    day = calendar(week(sun=["24h"]), BERLIN)
    assert day.worked(local("2026-03-28 12:00", BERLIN), local("2026-03-30 12:00", BERLIN)) == timedelta(hours=23)
    assert day.worked(local("2026-10-24 12:00", BERLIN), local("2026-10-26 12:00", BERLIN)) == timedelta(hours=25)


def test_a_midnight_that_does_not_exist() -> None:
    beirut = ZoneInfo("Asia/Beirut")  # its clocks go from 00:00 to 01:00; 29 March 2026 is a Sunday
    night = calendar(week(sat=["22:00-24:00"], sun=["00:00-02:00"]), beirut)
    assert night.worked(datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC)) == timedelta(hours=3)


def test_a_day_that_a_country_leaves_out_has_no_hours() -> None:
    apia = ZoneInfo("Pacific/Apia")  # after 29 December 2011 came the 31st; the stretch ends with 1 January
    day = calendar(week(mon_sun=["08:00-09:00"]), apia)
    assert day.worked(datetime(2011, 12, 29, 10, tzinfo=UTC), datetime(2012, 1, 1, 10, tzinfo=UTC)) == minutes(180)


def test_stretches_over_midnight_are_told_as_one() -> None:
    assert list(NIGHT.intervals(local("2026-03-02 12:00"), local("2026-03-03 23:00"))) == [
        (local("2026-03-02 22:00"), local("2026-03-03 06:00")),
        (local("2026-03-03 22:00"), local("2026-03-03 23:00")),
    ]
    assert list(NIGHT.intervals(local("2026-03-03 23:00"), local("2026-03-03 22:00"))) == []


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-03-03 09:00", "2026-03-03 09:00"),
        ("2026-03-03 12:00", "2026-03-03 13:30"),
        ("2026-03-03 22:30", "2026-03-04 08:30"),
        ("2026-02-16 09:00", "2026-02-21 09:00"),
    ],
)
def test_when_it_opens_next(at: str, opens: str) -> None:
    assert SHOP.opens_at(local(at)) == local(opens)


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        ("2026-03-03 09:00", None),
        ("2026-03-03 12:30", OUTSIDE),
        ("2026-02-16 03:00", "Tet 2026 (giao thua)"),  # a holiday at night is a holiday
        ("2026-02-17 10:00", "Tet 2026 (mung 1)"),
        ("2026-04-26 10:00", "Hung Kings 2026"),
        ("2026-12-24 10:00", None),
        ("2027-01-01 10:00", "New Year"),
    ],
)
def test_why_it_is_closed(at: str, reason: str | None) -> None:
    assert SHOP.closed_because(local(at)) == reason


def test_a_closure_of_some_hours_leaves_the_others() -> None:
    span = Span(datetime(2026, 3, 3, 12), datetime(2026, 3, 3, 18), "stock-taking")
    shop = calendar(closed=[span])
    assert shop.worked(local("2026-03-03 00:00"), local("2026-03-04 00:00")) == minutes(210 + 270)  # 18:00-22:30
    assert shop.closed_because(local("2026-03-03 15:00")) == "stock-taking"
    assert shop.opens_at(local("2026-03-03 12:00")) == local("2026-03-03 18:00")


def test_an_opening_holds_in_spite_of_a_holiday_and_adds_hours_on_others() -> None:
    open_at_tet = Span(datetime(2026, 2, 18, 9), datetime(2026, 2, 18, 12))
    late = Span(datetime(2026, 3, 3, 22), datetime(2026, 3, 3, 23))
    shop = calendar(holidays=[Tet()], opened=[open_at_tet, late])
    assert shop.worked(local("2026-02-16 00:00"), local("2026-02-21 00:00")) == minutes(180)
    assert shop.closed_because(local("2026-02-18 10:00")) is None
    assert shop.closed_because(local("2026-02-18 12:00")) == "Tet 2026 (mung 2)"
    assert shop.worked(local("2026-03-03 00:00"), local("2026-03-04 00:00")) == minutes(750 + 30)  # 22:30-23:00


def test_the_usual_hours_of_a_day_can_hold_in_spite_of_a_holiday() -> None:
    day = datetime(2026, 2, 18).date()
    shop = ShiftCalendar("shop", HANOI, Rules(SHOP.rules.week, (Tet(),), usual=((day, day),)))
    assert shop.worked(local("2026-02-16 00:00"), local("2026-02-21 00:00")) == minutes(750)


def test_closures_of_years_and_over_the_turn_of_the_year_are_known() -> None:
    long = whole_days(datetime(2020, 1, 1), datetime(2030, 1, 1), "gone")
    assert calendar(closed=[long]).closed_because(local("2026-06-06 10:00")) == "gone"
    new_year = calendar(zone=ZoneInfo("Pacific/Kiritimati"), holidays=[Yearly(1, 1, "New Year")])
    assert new_year.closed_because(datetime(2026, 12, 31, 10, 30, tzinfo=UTC)) == "New Year"  # 00:30 in Kiritimati


def test_a_calendar_that_opens_no_more_within_two_years_says_so() -> None:
    assert NEVER.after(local("2026-03-03 09:00"), minutes(1)) is None
    assert NEVER.opens_at(local("2026-03-03 09:00")) is None
    assert NEVER.worked(local("2026-03-03 09:00"), local("2027-03-03 09:00")) == minutes(0)
    gone = calendar(closed=[whole_days(datetime(2026, 3, 4), datetime(2029, 1, 1), "gone")])
    assert gone.after(local("2026-03-03 22:00"), minutes(31)) is None
    assert gone.after(local("2026-03-03 22:00"), minutes(30)) == local("2026-03-03 22:30")


def test_more_shift_time_than_two_years_have_comes_all_the_same() -> None:
    hour = calendar(week(mon=["09:00-10:00"]))
    start = local("2026-03-02 09:00")
    assert hour.after(start, timedelta(hours=150)) == start + timedelta(weeks=149, hours=1)


def test_always_is_open_day_and_night() -> None:
    at = local("2026-03-03 03:00")
    assert ALWAYS.is_open(at)
    assert ALWAYS.after(at, minutes(15)) == at + minutes(15)
    assert ALWAYS.worked(at, at + minutes(15)) == minutes(15)
    assert ALWAYS.worked(at, at - minutes(15)) == minutes(0)
    assert ALWAYS.opens_at(at) == at
    assert ALWAYS.closed_because(at) is None
    assert list(ALWAYS.intervals(at, at + minutes(1))) == [(at, at + minutes(1))]
    assert ALWAYS.after(datetime.max.replace(tzinfo=UTC), minutes(1)) is None


def test_nothing_is_open_where_time_ends() -> None:
    for at in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        assert not SHOP.is_open(at)
        assert SHOP.closed_because(at) == OUTSIDE
    assert SHOP.after(datetime.max.replace(tzinfo=UTC), minutes(1)) is None


def test_times_of_other_zones_are_moments_too() -> None:
    at = local("2026-03-03 11:50").astimezone(BERLIN)
    then = SHOP.after(at, minutes(15))
    assert then == local("2026-03-03 13:35")
    assert then is not None
    assert then.tzinfo is UTC


def test_many_threads_find_the_same() -> None:
    shop = calendar(holidays=[Vietnam()])
    starts = [local("2026-02-01 11:50") + timedelta(days=day) for day in range(60)]
    expected = [SHOP.after(start, timedelta(hours=30)) for start in starts]
    found: list[list[datetime | None]] = []

    def ask() -> None:
        found.append([shop.after(start, timedelta(hours=30)) for start in starts])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def test_hours_that_overlap_are_found() -> None:
    within = week(mon=["08:00-12:00", "11:00-13:00"]).overlap
    assert within == ("mon", "on mon 08:00-12:00 and 11:00-13:00 overlap")
    over_midnight = week(sun=["22:00-06:00"], mon=["05:00-09:00"]).overlap
    assert over_midnight == ("sun", "22:00-06:00 of sun and 05:00-09:00 of mon overlap")
    assert week(mon=["08:00-12:00", "12:00-13:00"], sun=["22:00-06:00"], tue=["00:00-01:00"]).overlap is None
    assert make_week({}).overlap is None
