"""Telephone numbers and addresses never show, in whatever form they are written; other numbers do."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.alerts.message import LONGEST_LINE
from roundsman.alerts.templates.contacts import COVER, covered, shown
from roundsman.alerts.templates.en import duration, moment
from roundsman.alerts.templates.vi import moment as moment_vi

GAPS = st.sampled_from(["", "", " ", ".", "-", " - ", "–", "\u00a0", " .", ") "])
MOBILE = st.from_regex(r"[35789][0-9]{8}", fullmatch=True)
LANDLINE = st.from_regex(r"2[0-9]{9}", fullmatch=True)
PREFIX = st.sampled_from(["0", "+84", "84", "0084", "(+84) ", "+84 (0)", "84 "])
AROUND = ["", "Lan ", "sđt", "ZALO:", "2 ", "10:37 ", "1.500.000đ ", "(", "gọi "]


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """A Vietnamese number as people write it."""
    digits = draw(MOBILE | LANDLINE)
    written = [draw(PREFIX), digits[0]]
    for digit in digits[1:]:
        written += [draw(GAPS), digit]
    return "".join(written)


@given(
    number=numbers(), before=st.sampled_from(AROUND), after=st.sampled_from(["", ", gọi lại", " 03/03/2026", ")", "."])
)
def test_a_number_is_covered_however_its_digits_are_grouped(number: str, before: str, after: str) -> None:
    told = covered(f"{before}{number}{after}")
    left = told.replace(before, "", 1) if before.strip() else told
    assert COVER in told
    assert not re.search(r"\d{4}", left.replace("03/03/2026", "")), told
    assert told.endswith(after)


@given(number=numbers(), zero=st.sampled_from("０٠۰०๐𝟎"))
def test_digits_of_other_scripts_and_wide_ones_are_digits(number: str, zero: str) -> None:
    other = "".join(chr(ord(zero) + int(char)) if char in "0123456789" else char for char in number)
    assert covered(f"Lan {other} ạ") == covered(f"Lan {number} ạ")
    assert covered(f"Lan {zero * 3}, 𝟏², ế") == f"Lan {zero * 3}, 𝟏², ế", "what is no number stays as it is written"


def test_a_wide_at_sign_makes_an_address_too() -> None:
    assert covered("Lan lan＠gmail．com nhé") == f"Lan {COVER} nhé"


@given(
    number=st.from_regex(r"[1-9][0-9]{8,13}", fullmatch=True),
    gaps=st.lists(st.sampled_from(["", "", " ", "-", "."]), min_size=14, max_size=14),
)
def test_what_begins_with_a_plus_is_a_number_of_whatever_country(number: str, gaps: list[str]) -> None:
    written = "+" + "".join(digit + gap for digit, gap in zip(number[:-2], gaps, strict=False)) + number[-2:]
    assert covered(f"Lan {written}") == f"Lan {COVER}"


@given(
    name=st.from_regex(r"[a-z][a-z0-9._+-]{0,20}", fullmatch=True), domain=st.sampled_from(["gmail.com", "a.com.vn"])
)
def test_an_address_is_covered(name: str, domain: str) -> None:
    assert covered(f"Lan {name}@{domain} nhé") == f"Lan {COVER} nhé"


@given(
    value=st.integers(0, 999_999_999_999),
    mark=st.sampled_from([".", ","]),
    unit=st.sampled_from(["đ", " đ", "₫", " VND", "vnđ"]),
)
def test_amounts_of_money_show(value: int, mark: str, unit: str) -> None:
    grouped = f"{value:,}".replace(",", mark)
    for written in (f"{grouped}{unit}", f"{value}{unit}", f"Đơn {grouped}{unit} 15 phút"):
        assert covered(written) == written


@given(at=st.datetimes(datetime(2020, 1, 1), datetime(2039, 1, 1)), waited=st.integers(0, 10**6))
def test_times_dates_and_durations_show(at: datetime, waited: int) -> None:
    at = at.replace(tzinfo=UTC, microsecond=0)
    span = duration(timedelta(minutes=waited))
    for written in (
        at.isoformat(), f"{at:%Y-%m-%d %H:%M:%S}", f"{at:%d/%m/%Y %H:%M}", f"{at:%d-%m-%Y %H:%M}", f"{at:%d.%m.%Y}",
        f"{moment(at)}, {span}", f"{moment_vi(at)}, {span}", f"{at:%H:%M}-{at:%H:%M} {at:%H:%M}",
    ):  # fmt: skip
        assert covered(written) == written


@given(number=st.from_regex(r"[1-7][0-9]{3,7}", fullmatch=True), other=st.from_regex(r"#[0-9]{1,18}", fullmatch=True))
def test_orders_show(number: str, other: str) -> None:
    for written in (f"Đơn {number}", f"DH{number}", f"đơn {other} của Lan"):
        assert covered(written) == written


@pytest.mark.parametrize(
    "harmless",
    [
        "20260303123", "DH123456789", "1772510400000", "1900 1234", "192.168.1.100", "1.050.000.000 15", "v1.2.3",
        "00000123456", "08:30-12:00 13:30-22:30", "84.500.000.000đ", "+1.500.000đ", "100 200 300 400", "99%",
    ],
)  # fmt: skip
def test_other_numbers_show(harmless: str) -> None:
    assert covered(f"x {harmless} y") == f"x {harmless} y"


@given(st.text(max_size=200))
def test_covering_twice_changes_nothing_and_no_text_takes_long(text: str) -> None:
    once = covered(text)
    assert covered(once) == once


def test_a_number_that_would_be_cut_in_two_is_covered_as_a_whole() -> None:
    for start in range(LONGEST_LINE - 12, LONGEST_LINE):
        assert not re.search(r"\d", shown("x" * start + " 0901234567"))
