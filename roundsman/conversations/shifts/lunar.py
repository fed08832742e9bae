"""The Vietnamese lunar calendar, computed from where moon and sun stand, not looked up in a table of years.

It follows the rules of the Chinese one, at Hanoi's clock (UTC+7) instead of Beijing's: a new moon between 23:00 and
midnight there is on the next day in China. So the two differ now and then, as at Tet of 1968, 1985, 2007 and 2030. The
clock has been UTC+7 since 1968; before that this calendar is only what it would have been.

1. A month begins on the day of the new moon.
2. The month in which the winter solstice lies is the eleventh.
3. If there are 13 months from one eleventh month to the next, the first of them in which the sun enters no new sign
   (a twelfth of its way) is a leap month: it has the number of the month before it.

New moons are computed by the series of Jean Meeus, Astronomical Algorithms (2nd edition), chapter 49, and the sun by
chapter 25; the rules are those of Ho Ngoc Duc, "Computing the Vietnamese lunar calendar".
"""

from bisect import bisect_right
from datetime import date
from functools import lru_cache
from itertools import pairwise
from math import floor, radians, sin
from typing import NamedTuple

_HANOI_DAYS = 7 / 24
_SYNODIC_MONTH_DAYS = 29.530588861
_JULIAN_DAY_OF_ORDINAL_0 = 1721424.5
"""The Julian day at the midnight that begins `date.fromordinal(0)`, if there were such a date."""
_J2000 = 2451545.0
_DAYS_OF_CENTURY = 36525.0

# Meeus, table 49.a, new moon: coefficient in days; powers of the eccentricity E; multiples of M, M', F and Omega.
_PERIODIC = (
    (-0.40720, 0, 0, 1, 0, 0), (0.17241, 1, 1, 0, 0, 0), (0.01608, 0, 0, 2, 0, 0), (0.01039, 0, 0, 0, 2, 0),
    (0.00739, 1, -1, 1, 0, 0), (-0.00514, 1, 1, 1, 0, 0), (0.00208, 2, 2, 0, 0, 0), (-0.00111, 0, 0, 1, -2, 0),
    (-0.00057, 0, 0, 1, 2, 0), (0.00056, 1, 1, 2, 0, 0), (-0.00042, 0, 0, 3, 0, 0), (0.00042, 1, 1, 0, 2, 0),
    (0.00038, 1, 1, 0, -2, 0), (-0.00024, 1, -1, 2, 0, 0), (-0.00017, 0, 0, 0, 0, 1), (-0.00007, 0, 2, 1, 0, 0),
    (0.00004, 0, 0, 2, -2, 0), (0.00004, 0, 3, 0, 0, 0), (0.00003, 0, 1, 1, -2, 0), (0.00003, 0, 0, 2, 2, 0),
    (-0.00003, 0, 1, 1, 2, 0), (0.00003, 0, -1, 1, 2, 0), (-0.00002, 0, -1, 1, -2, 0), (-0.00002, 0, 1, 3, 0, 0),
    (0.00002, 0, 0, 4, 0, 0),
)  # fmt: skip
# The planets' part: coefficient in days, angle at k = 0, degrees for each lunation. The first has a T squared as well.
_PLANETARY = (
    (0.000325, 299.77, 0.107408), (0.000165, 251.88, 0.016321), (0.000164, 251.83, 26.651886),
    (0.000126, 349.42, 36.412478), (0.000110, 84.66, 18.206239), (0.000062, 141.74, 53.303771),
    (0.000060, 207.14, 2.453732), (0.000056, 154.84, 7.306860), (0.000047, 34.52, 27.261239),
    (0.000042, 207.19, 0.121824), (0.000040, 291.34, 1.844379), (0.000037, 161.72, 24.198154),
    (0.000035, 239.56, 25.513099), (0.000023, 331.55, 3.592518),
)  # fmt: skip


class LunarDate(NamedTuple):
    """A day of the lunar calendar."""

    year: int
    month: int
    day: int
    leap: bool = False


class _Month(NamedTuple):
    """One lunar month: the ordinal of its first day, and what it is called."""

    first: int
    year: int
    month: int
    leap: bool


def tet(year: int) -> date:
    """The first day of the lunar year that begins in this year."""
    return solar_date(year, 1, 1)


def solar_date(year: int, month: int, day: int) -> date:
    """A lunar date, never in a leap month. The 30th of a month that has 29 days is its 29th, as people keep it."""
    block = year if month <= 10 else year + 1
    months = _months(block)
    place = next(at for at, each in enumerate(months) if (each.year, each.month, each.leap) == (year, month, False))
    following = months[place + 1] if place + 1 < len(months) else _months(block + 1)[0]
    return date.fromordinal(min(months[place].first + day, following.first) - 1)


def lunar_date(day: date) -> LunarDate:
    """What day of the lunar calendar a day is."""
    ordinal = day.toordinal()
    months = _months(day.year)
    if ordinal >= _months(day.year + 1)[0].first:
        months = _months(day.year + 1)
    found = months[bisect_right([each.first for each in months], ordinal) - 1]
    return LunarDate(found.year, found.month, ordinal - found.first + 1, found.leap)


@lru_cache(maxsize=64)
def _months(year: int) -> tuple[_Month, ...]:
    """The months from the eleventh of the year before to the tenth (or a leap tenth) of this year."""
    begin, end = _eleventh(year - 1), _eleventh(year)
    firsts = [_first_day(k) for k in range(begin, end + 1)]
    leap = _leap(firsts) if end - begin > 12 else None
    months, number = [], 10
    for place, first in enumerate(firsts[:-1]):
        is_leap = place == leap
        number += not is_leap
        month = (number - 1) % 12 + 1
        months.append(_Month(first, year - 1 if number <= 12 else year, month, is_leap))
    return tuple(months)


def _leap(firsts: list[int]) -> int | None:
    """The place of the first month in which the sun enters no new sign."""
    signs = [_sign(first) for first in firsts]
    return next((place for place, (at, then) in enumerate(pairwise(signs)) if at == then), None)


def _eleventh(year: int) -> int:
    """The number of the lunation in which the winter solstice of the year lies."""
    newest = date(year, 12, 31).toordinal()
    k = floor((newest + _JULIAN_DAY_OF_ORDINAL_0 - 2451550.09766) / _SYNODIC_MONTH_DAYS) + 1
    while _first_day(k) > newest or _sign(_first_day(k)) >= 9:  # it began after the sun had entered Capricorn
        k -= 1
    return k


@lru_cache(maxsize=1024)
def _first_day(k: int) -> int:
    """The ordinal of the day, in Hanoi, of the k-th new moon after the one of 6 January 2000."""
    return floor(_new_moon(k) + _HANOI_DAYS - _JULIAN_DAY_OF_ORDINAL_0)


def _new_moon(k: int) -> float:
    """The Julian day (UT) of a new moon, right to about ten seconds in this century."""
    t = k / 1236.85
    mean = 2451550.09766 + 29.530588861 * k + (0.00015437 - (0.000000150 - 0.00000000073 * t) * t) * t * t
    e = 1 - 0.002516 * t - 0.0000074 * t * t
    sun = radians(2.5534 + 29.10535670 * k - (0.0000014 + 0.00000011 * t) * t * t)
    moon = radians(201.5643 + 385.81693528 * k + (0.0107582 + (0.00001238 - 0.000000058 * t) * t) * t * t)
    latitude = radians(160.7108 + 390.67050284 * k - (0.0016118 + (0.00000227 - 0.000000011 * t) * t) * t * t)
    node = radians(124.7746 - 1.56375588 * k + (0.0020672 + 0.00000215 * t) * t * t)
    moment = mean + sum(
        size * e**powers * sin(m * sun + mm * moon + f * latitude + o * node) for size, powers, m, mm, f, o in _PERIODIC
    )
    angles = [(size, start + step * k) for size, start, step in _PLANETARY]
    angles[0] = (angles[0][0], angles[0][1] - 0.009173 * t * t)
    moment += sum(size * sin(radians(angle)) for size, angle in angles)
    return moment - _delta_t_days(moment)


def _sign(ordinal: int) -> int:
    """In which twelfth of its way, from the spring equinox on, the sun stands when this day begins in Hanoi."""
    midnight = ordinal + _JULIAN_DAY_OF_ORDINAL_0 - _HANOI_DAYS
    return floor(_sun_degrees(midnight + _delta_t_days(midnight)) / 30)


def _sun_degrees(moment: float) -> float:
    """The sun's apparent longitude, right to a hundredth of a degree, which it moves in a quarter of an hour."""
    t = (moment - _J2000) / _DAYS_OF_CENTURY
    m = radians(357.52911 + (35999.05029 - 0.0001537 * t) * t)
    true = 280.46646 + (36000.76983 + 0.0003032 * t) * t
    true += (1.914602 - (0.004817 + 0.000014 * t) * t) * sin(m)
    true += (0.019993 - 0.000101 * t) * sin(2 * m) + 0.000289 * sin(3 * m)
    return (true - 0.00569 - 0.00478 * sin(radians(125.04 - 1934.136 * t))) % 360


def _delta_t_days(moment: float) -> float:
    """Dynamical time, in which orbits are computed, less universal time.

    It was 38 s in 1967 and is 69 s in 2026. A parabola through both, bent as the earth's slowing down bends it, is off
    by less than a quarter of a minute between; what the earth will do later nobody knows so well.
    """
    years = (moment - _J2000) / _DAYS_OF_CENTURY * 100
    return (50.5 + (0.564 + 0.0056 * years) * years) / 86400
