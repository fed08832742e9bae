"""When a job is due: cron at clock changes, intervals on the epoch grid, and what is refused."""

import contextlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.scheduling.takeover import parse_stored
from roundsman.scheduling.trigger import Trigger, parse_duration, parse_trigger

BERLIN = ZoneInfo("Europe/Berlin")
_UTC = ZoneInfo("UTC")


def _utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type] # year, month, day are always given


def _times(text: str, zone: ZoneInfo, after: datetime, until: datetime) -> list[datetime]:
    return list(parse_trigger(text, zone).between(after, until))


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ((2026, 3, 29), _utc(2026, 3, 29, 1, 0)),  # 02:30 does not exist: right after the gap, 03:00 summer time
        ((2026, 10, 25), _utc(2026, 10, 25, 0, 30)),  # 02:30 happens twice: the first, still summer time
    ],
)
def test_a_nightly_job_runs_exactly_once_on_both_change_days_in_berlin(
    day: tuple[int, int, int], expected: datetime
) -> None:
    midnight = datetime(*day, tzinfo=BERLIN)
    found = _times("30 2 * * *", BERLIN, midnight.astimezone(UTC), (midnight + timedelta(days=1)).astimezone(UTC))
    assert found == [expected]


def test_a_whole_year_of_a_nightly_job_has_one_tick_a_local_day() -> None:
    found = _times("30 2 * * *", BERLIN, _utc(2025, 12, 31, 23), _utc(2026, 12, 31, 23))
    assert len(found) == 365
    assert len({moment.astimezone(BERLIN).date() for moment in found}) == 365


@pytest.mark.parametrize("start", range(0, 7200, 600))
def test_asking_from_inside_the_repeated_hour_never_names_a_moment_twice(start: int) -> None:
    """Two daemons that ask at different moments of the autumn night must agree."""
    night = _utc(2026, 10, 25, 0, 0)
    trigger = parse_trigger("30 2 * * *", BERLIN)
    due = trigger.next_after(night + timedelta(seconds=start))
    first = _utc(2026, 10, 25, 0, 30)
    assert due == (first if night + timedelta(seconds=start) < first else _utc(2026, 10, 26, 1, 30))


def test_a_wildcard_keeps_its_pace_through_both_changes() -> None:
    for day in (_utc(2026, 3, 28, 23), _utc(2026, 10, 24, 22)):
        found = _times("*/30 * * * *", BERLIN, day, day + timedelta(hours=6))
        assert found == [day + timedelta(minutes=30 * index) for index in range(1, 13)]


def test_six_fields_begin_with_seconds() -> None:
    found = _times("*/20 5 * * * *", _UTC, _utc(2026, 3, 3), _utc(2026, 3, 3, 0, 10))
    assert found == [_utc(2026, 3, 3, 0, 5, second) for second in (0, 20, 40)]


def test_intervals_name_the_same_moments_whenever_they_are_asked() -> None:
    trigger = parse_trigger("every 30s", _UTC)
    assert trigger.next_after(_utc(2026, 3, 3, 4, 0, 1)) == _utc(2026, 3, 3, 4, 0, 30)
    assert trigger.next_after(_utc(2026, 3, 3, 4, 0, 30)) == _utc(2026, 3, 3, 4, 1, 0)


_TRIGGERS = st.sampled_from(
    ["every 1s", "every 7m", "every 36h", "30 2 * * *", "*/7 * * * *", "0 9 * * 1-5", "5 0 0 1 * *"]
)
_MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda naive: naive.replace(tzinfo=UTC))


@given(_TRIGGERS, _MOMENTS, st.timedeltas(timedelta(0), timedelta(hours=3)))
def test_next_after_and_between_tell_the_same_story(text: str, start: datetime, length: timedelta) -> None:
    trigger = parse_trigger(text, BERLIN)
    until = start + length
    walked = []
    moment: datetime | None = start
    while moment is not None and (moment := trigger.next_after(moment)) is not None and moment <= until:
        walked.append(moment)
    assert list(trigger.between(start, until)) == walked
    assert walked == sorted(set(walked))


@given(_TRIGGERS)
def test_a_trigger_can_be_read_back_from_its_own_text(text: str) -> None:
    trigger: Trigger = parse_trigger(text, BERLIN)
    assert parse_stored(trigger.text) == trigger


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "neither a cron line"),
        ("* * *", "neither a cron line"),
        ("61 * * * *", "bad minute"),
        ("a b c d e", "bad minute"),
        ("0 0 31 2 *", "bad day-of-month"),
        ("every", "no duration"),
        ("every now and then", "no duration"),
        ("every 0s", "between 100ms and 366d"),
        ("every 400d", "between 100ms and 366d"),
        ("every 99999999999999999999d", "no duration|longer than any"),
    ],
)
def test_a_wrong_schedule_is_refused_with_its_reason(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        parse_trigger(text, _UTC)


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("1.5s", 1.5), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("2d", 172_800)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == seconds


@given(st.text(max_size=30))
def test_whatever_is_typed_is_a_schedule_or_a_sentence(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_trigger(text, BERLIN).next_after(_utc(2026, 1, 1)) is not None
