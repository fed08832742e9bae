"""Which days come again each year, and how hours are written."""

import subprocess
import sys
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import pytest

from roundsman.conversations.shifts.holidays import Country, Lunar, Tet, Vietnam, Yearly, parse_country
from roundsman.conversations.shifts.span import Span
from roundsman.conversations.shifts.week import Hours, parse_hours, parse_weekdays


def days(spans: Sequence[Span]) -> dict[str, str]:
    assert all(span.end - span.start == timedelta(days=1) for span in spans)
    return {f"{span.start:%m-%d}": span.why for span in spans}


def test_the_days_off_of_vietnam() -> None:
    assert days(Vietnam().in_year(2027)) == {
        "01-01": "New Year",
        # the first day of the year is 6 February
        "02-05": "Tet 2027 (giao thua)", "02-06": "Tet 2027 (mung 1)", "02-07": "Tet 2027 (mung 2)",
        "02-08": "Tet 2027 (mung 3)", "02-09": "Tet 2027 (mung 4)",
        "04-16": "Hung Kings 2027",
        "04-30": "Reunification Day", "05-01": "Labour Day", "09-02": "National Day", "11-24": "Culture Day",
    }  # fmt: skip


def test_days_off_before_there_was_a_law_for_them() -> None:
    assert not {"Hung Kings 2006", "Culture Day"} & set(days(Vietnam().in_year(2006)).values())


def test_tet_can_be_longer() -> None:
    assert list(days(Tet(before=3, days=7).in_year(2026)).items())[:4] == [
        ("02-14", "Tet 2026 (3 days before)"),
        ("02-15", "Tet 2026 (2 days before)"),
        ("02-16", "Tet 2026 (giao thua)"),
        ("02-17", "Tet 2026 (mung 1)"),
    ]
    assert len(Tet(before=3, days=7).in_year(2026)) == 10


def test_our_vietnam_and_that_of_the_library_agree_on_what_is_no_substitute_day() -> None:
    for year in range(2021, 2040):
        # the library adds days instead of those at weekends, and one beside 2 September
        assert set(days(Vietnam().in_year(year))) <= set(days(Country("VN").in_year(year)))


def test_a_lunar_date_falls_on_another_day_each_year() -> None:
    vu_lan = Lunar(15, 7, "Vu Lan")
    assert days(vu_lan.in_year(2025)) == {"09-06": "Vu Lan"}
    assert days(vu_lan.in_year(2026)) == {"08-27": "Vu Lan"}
    assert days(Lunar(15, 7).in_year(2026)) == {"08-27": "lunar 15/7"}


def test_the_end_of_a_lunar_year_lies_in_the_next_one_and_some_years_have_two_or_none() -> None:
    kitchen = Lunar(23, 12)
    assert [len(kitchen.in_year(year)) for year in range(2020, 2031)] == [1] * 11
    # 10 December 2026 is the 2nd of the eleventh month: its 1st falls into one calendar year twice or never at times
    counts = {len(Lunar(day, 11).in_year(year)) for day in range(1, 31) for year in range(2000, 2050)}
    assert counts == {0, 1, 2}


def test_a_yearly_date_that_a_year_does_not_have() -> None:
    assert Yearly(29, 2).in_year(2027) == ()
    assert days(Yearly(29, 2).in_year(2028)) == {"02-29": "29/2"}
    assert days(Yearly(24, 12, "Christmas Eve").in_year(2026)) == {"12-24": "Christmas Eve"}


def test_another_countrys_days_off() -> None:
    assert "12-26" in days(parse_country("de").in_year(2026))
    assert "06-04" not in days(parse_country("de").in_year(2026))
    assert days(parse_country("DE/BY").in_year(2026))["06-04"] == "Corpus Christi"
    assert parse_country("de/augsburg") == Country("DE", "Augsburg")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Atlantis", "names no country; write its two letters, such as country:DE, or country:DE/BY for a region"),
        ("de/xx", "names no region of DE; it knows BB, BE, BW, BY, "),
        ("VN/HCM", "names no region of VN; it knows none"),
    ],
)
def test_a_country_that_nobody_knows(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_country(text)
    assert str(caught.value).startswith(reason)


def test_calendars_without_countries_and_files_need_no_library() -> None:
    program = (
        "import sys; from datetime import UTC, datetime, timedelta; from zoneinfo import ZoneInfo\n"
        "from roundsman.conversations.shifts.calendar import ShiftCalendar\n"
        "from roundsman.conversations.shifts.days import Rules\n"
        "from roundsman.conversations.shifts.holidays import Vietnam\n"
        "import roundsman.conversations.shifts.ical\n"
        "shop = ShiftCalendar('shop', ZoneInfo('Asia/Ho_Chi_Minh'), Rules(holidays=(Vietnam(),)))\n"
        "assert shop.closed_because(datetime(2026, 2, 17, tzinfo=UTC))\n"
        "sys.exit(bool({'holidays', 'icalendar', 'recurring_ical_events', 'dateutil'} & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("08:30-12:00", Hours(510, 720)),
        ("8:30 - 12:00", Hours(510, 720)),
        ("22:00-06:00", Hours(1320, 1800)),
        ("13:00-24:00", Hours(780, 1440)),
        ("00:00-24:00", Hours(0, 1440)),
        ("22:00-00:00", Hours(1320, 1440)),
        ("24h", Hours(0, 1440)),
    ],
)
def test_hours_as_people_write_them(text: str, hours: Hours) -> None:
    assert parse_hours(text) == hours


@pytest.mark.parametrize("text", ["", "8-12", "08:30", "08:30-25:00", "24:00-08:00", "12:00-24:30", "09:00-09:00", "x"])
def test_what_are_no_hours(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is no time of day|begins)"):
        parse_hours(text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("mon", ("mon",)),
        ("mon-wed", ("mon", "tue", "wed")),
        ("Sat-Mon", ("sat", "sun", "mon")),
        ("mon,wed-thu", ("mon", "wed", "thu")),
        ("sun-sun", ("sun",)),
        ("someday", None),
        ("mon-", None),
        ("mon-xyz", None),
    ],
)
def test_weekdays_as_people_write_them(text: str, names: tuple[str, ...] | None) -> None:
    assert parse_weekdays(text) == names


def test_hours_are_shown_as_they_were_written() -> None:
    assert str(parse_hours("22:00-06:00")) == "22:00-06:00"
    assert str(parse_hours("24h")) == "00:00-24:00"
    assert parse_hours("22:00-06:00").on(date(2026, 3, 3)) == (datetime(2026, 3, 3, 22), datetime(2026, 3, 4, 6))
