"""The Vietnamese lunar calendar against dates that are known."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.conversations.shifts.lunar import LunarDate, lunar_date, solar_date, tet

# Tet as Vietnam kept it or will keep it, a line a decade, each as month-day.
TET_SINCE_1968 = """\
01-29 02-16
02-06 01-27 02-15 02-03 01-23 02-11 01-31 02-18 02-07 01-28
02-16 02-05 01-25 02-13 02-02 01-21 02-09 01-29 02-17 02-06
01-27 02-15 02-04 01-23 02-10 01-31 02-19 02-07 01-28 02-16
02-05 01-24 02-12 02-01 01-22 02-09 01-29 02-17 02-07 01-26
02-14 02-03 01-23 02-10 01-31 02-19 02-08 01-28 02-16 02-05
01-25 02-12 02-01 01-22 02-10 01-29 02-17 02-06 01-26 02-13
02-02 01-23 02-11 01-31 02-19 02-08 01-28 02-15 02-04 01-24
02-12 02-01 01-22 02-10 01-30 02-17 02-06 01-26 02-14 02-02
01-23"""
CHINESE_NEW_YEAR = {1968: "01-30", 1969: "02-17", 1985: "02-20", 2007: "02-18", 2030: "02-03"}
"""Where China has another day."""


def test_tet_of_every_year_since_hanoi_has_its_own_clock() -> None:
    assert [f"{tet(year):%m-%d}" for year in range(1968, 2051)] == TET_SINCE_1968.split()


@pytest.mark.parametrize("year", CHINESE_NEW_YEAR)
def test_where_vietnam_and_china_differ_it_is_vietnams(year: int) -> None:
    assert f"{tet(year):%m-%d}" != CHINESE_NEW_YEAR[year]


@pytest.mark.parametrize(
    ("day", "lunar"),
    [
        (date(2026, 2, 16), LunarDate(2025, 12, 29)),  # giao thua; the twelfth month has 29 days
        (date(2026, 2, 17), LunarDate(2026, 1, 1)),
        (date(2026, 4, 26), LunarDate(2026, 3, 10)),  # Hung Kings
        (date(2024, 9, 17), LunarDate(2024, 8, 15)),  # mid-autumn
        (date(2025, 7, 25), LunarDate(2025, 6, 1, leap=True)),  # the sixth month came twice
        (date(2025, 9, 6), LunarDate(2025, 7, 15)),  # vu lan
        (date(2023, 3, 22), LunarDate(2023, 2, 1, leap=True)),
        (date(1985, 2, 20), LunarDate(1985, 2, 1)),  # China had its leap month in 1984, so this was its new year
        (date(1985, 3, 21), LunarDate(1985, 2, 1, leap=True)),
        (date(2034, 1, 20), LunarDate(2033, 12, 1)),  # after the leap eleventh month of 2033, where many err
    ],
)
def test_known_days(day: date, lunar: LunarDate) -> None:
    assert lunar_date(day) == lunar


@pytest.mark.parametrize(("year", "month_day"), [(2024, "04-18"), (2025, "04-07"), (2026, "04-26"), (2027, "04-16")])
def test_the_day_of_the_hung_kings(year: int, month_day: str) -> None:
    assert f"{solar_date(year, 3, 10):%m-%d}" == month_day


def test_the_thirtieth_of_a_month_with_29_days_is_its_last() -> None:
    assert solar_date(2025, 12, 30) == date(2026, 2, 16)
    assert solar_date(2023, 12, 30) == date(2024, 2, 9)


DAYS = st.dates(date(1900, 1, 1), date(2199, 12, 31))


@given(DAYS)
def test_a_date_leads_back_to_itself(day: date) -> None:
    found = lunar_date(day)
    if not found.leap:
        assert solar_date(found.year, found.month, found.day) == day


@given(DAYS)
def test_the_next_day_is_the_next_of_the_month_or_the_first_of_another(day: date) -> None:
    today, tomorrow = lunar_date(day), lunar_date(day + timedelta(days=1))
    if tomorrow.day != 1:
        assert tomorrow == today._replace(day=today.day + 1)
    else:
        assert today.day in (29, 30)
        following = (today.year, today.month + 1) if today.month < 12 else (today.year + 1, 1)
        assert (tomorrow.year, tomorrow.month) in (following, (today.year, today.month))
        assert tomorrow.leap or (tomorrow.year, tomorrow.month) == following
