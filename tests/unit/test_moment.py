"""Times in every form in which they come, and those that are refused."""

import contextlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.conversations.moment import EARLIEST, LATEST, parse_moment

MOMENT = datetime(2026, 3, 3, 4, 3, 22, tzinfo=UTC)
SECONDS = 1772510602
FORMS: list[Any] = [
    SECONDS,
    float(SECONDS),
    str(SECONDS),
    SECONDS * 1000,
    str(SECONDS * 1000),
    "2026-03-03T04:03:22",
    "2026-03-03T04:03:22.000000",
    "2026-03-03T04:03:22Z",
    "2026-03-03 04:03:22",
    " 2026-03-03T04:03:22 ",
    "2026-03-03T11:03:22+07:00",
    {"$date": "2026-03-03T04:03:22Z"},
    {"$date": {"$numberLong": str(SECONDS * 1000)}},
    {"$date": SECONDS * 1000},
    {"$numberLong": str(SECONDS * 1000)},
    {"$numberInt": str(SECONDS)},
    {"$numberDouble": f"{SECONDS}.0"},
]
UNSET: list[Any] = [
    None, "", 0, "0", "0001-01-01T00:00:00Z", -62135596800, -62135596800000,
    {"$date": {"$numberLong": "-62135596800000"}}, {"$numberLong": "0"},
]  # fmt: skip
REFUSED: list[Any] = [
    True, False, float("nan"), float("inf"), -1, 1, 1e30, 10**400, "yesterday", "hôm qua", "2003-12-31T23:59:59",
    "2100-01-01", "9999-12-31T23:59:59-23:00", "20260303", SECONDS * 1_000_000, [], {}, {"$date": None},
    {"$date": True}, {"$oid": "1"}, {"$numberLong": "x"}, "1.2.3", "٣",
]  # fmt: skip


@pytest.mark.parametrize("value", FORMS, ids=repr)
def test_one_moment_in_every_form(value: Any) -> None:
    assert parse_moment(value) == MOMENT


@pytest.mark.parametrize("value", UNSET, ids=repr)
def test_a_time_that_was_never_set_is_absent(value: Any) -> None:
    assert parse_moment(value) is None


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: repr(value)[:30])
def test_absurd_times_are_refused_in_words(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^is .*(no time|not between 2004 and 2100)") as refusal:
        parse_moment(value)
    assert len(str(refusal.value)) < 160


@given(st.datetimes(datetime(2004, 1, 2), datetime(2099, 12, 31)))
def test_seconds_milliseconds_and_iso_mean_the_same_moment(naive: datetime) -> None:
    whole = naive.replace(microsecond=naive.microsecond // 1000 * 1000)
    moment = whole.replace(tzinfo=UTC)
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert parse_moment(milliseconds) == moment
    assert parse_moment(str(milliseconds)) == moment
    assert parse_moment(whole.isoformat()) == moment
    assert parse_moment(moment.astimezone(timezone(timedelta(hours=7))).isoformat()) == moment
    assert parse_moment(milliseconds // 1000) == moment.replace(microsecond=0)


@given(st.one_of(st.integers(), st.floats(), st.text(max_size=30), st.dictionaries(st.text(), st.text())))
def test_nothing_but_a_plausible_time_comes_out(value: Any) -> None:
    moment = None
    with contextlib.suppress(ValueError):
        moment = parse_moment(value)
    assert moment is None or EARLIEST <= moment < LATEST
