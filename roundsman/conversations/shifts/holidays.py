"""Days that come again each year: fixed dates, lunar dates, Tet, Vietnam's days off, and those of other countries."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from roundsman.conversations.shifts.days import Holidays
from roundsman.conversations.shifts.lunar import solar_date, tet
from roundsman.conversations.shifts.span import Span, whole_days


@dataclass(frozen=True)
class Yearly:
    """The same date every year; 29 February only when there is one."""

    day: int
    month: int
    why: str = ""

    def in_year(self, year: int) -> Sequence[Span]:
        try:
            found = date(year, self.month, self.day)
        except ValueError:
            return ()
        return (whole_days(found, found, self.why or f"{self.day}/{self.month}"),)


@dataclass(frozen=True)
class Lunar:
    """The same date of every Vietnamese lunar year, not again in a leap month."""

    day: int
    month: int
    why: str = ""

    def in_year(self, year: int) -> Sequence[Span]:
        # The eleventh and twelfth month reach into the next year: each year may see two, one or none
        days = (solar_date(lunar_year, self.month, self.day) for lunar_year in (year - 1, year))
        why = self.why or f"lunar {self.day}/{self.month}"
        return tuple(whole_days(each, each, why) for each in days if each.year == year)


@dataclass(frozen=True)
class Tet:
    """The lunar new year: so many days before it, beginning with its eve (giao thua) backwards, and so many of it."""

    before: int = 1
    days: int = 4

    def in_year(self, year: int) -> Sequence[Span]:
        first = tet(year)
        offsets = range(-self.before, self.days)
        return tuple(
            whole_days(day, day, f"Tet {year} ({_day_of_tet(offset)})")
            for offset, day in ((each, first + timedelta(days=each)) for each in offsets)
        )


def _day_of_tet(offset: int) -> str:
    if offset >= 0:
        return f"mung {offset + 1}"
    return "giao thua" if offset == -1 else f"{-offset} days before"


@dataclass(frozen=True)
class Vietnam:
    """Vietnam's days off. Of Tet and the day beside 2 September the government or the employer chooses each year."""

    tet: Tet = Tet()

    def in_year(self, year: int) -> Sequence[Span]:
        return tuple(span for rule in self._rules(year) for span in rule.in_year(year))

    def _rules(self, year: int) -> Iterator[Holidays]:
        yield Yearly(1, 1, "New Year")
        yield self.tet
        if year >= 2007:
            yield Lunar(10, 3, f"Hung Kings {year}")
        yield Yearly(30, 4, "Reunification Day")
        yield Yearly(1, 5, "Labour Day")
        yield Yearly(2, 9, "National Day")
        if year >= 2026:
            yield Yearly(24, 11, "Culture Day")


@dataclass(frozen=True)
class Country:
    """A country's or a region's days off, as the library `holidays` knows them (19 MiB, so imported for these only)."""

    code: str
    region: str | None = None

    def in_year(self, year: int) -> Sequence[Span]:
        return _of_country(self, year)


@lru_cache(maxsize=64)
def _of_country(country: Country, year: int) -> Sequence[Span]:
    found: dict[date, str] = _library().country_holidays(country.code, subdiv=country.region, years=year)
    return tuple(whole_days(day, day, why) for day, why in sorted(found.items()))


def parse_country(text: str) -> Country:
    """`DE` or `DE/BY`. Raises ValueError with half a sentence."""
    code, _, region = (part.strip() for part in text.partition("/"))
    known: dict[str, list[str]] = _library().list_supported_countries()
    if code.upper() not in known:
        raise ValueError("names no country; write its two letters, such as country:DE, or country:DE/BY for a region")
    regions = {each.upper(): each for each in known[code.upper()]}
    if region and region.upper() not in regions:
        raise ValueError(f"names no region of {code.upper()}; it knows {', '.join(regions.values()) or 'none'}")
    return Country(code.upper(), regions.get(region.upper()))


def _library() -> Any:
    import holidays

    return holidays
