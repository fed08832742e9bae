"""The clocks, and the one form in which times leave the program."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from roundsman.clock import ManualClock, SystemClock, iso

HANOI = timezone(timedelta(hours=7))


def test_the_systems_clock_is_aware_and_in_utc() -> None:
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    first = clock.monotonic()
    assert clock.monotonic() >= first


def test_a_manual_clock_stands_still_until_it_is_told(clock: ManualClock) -> None:
    assert (clock.now(), clock.monotonic()) == (clock.now(), 0.0)
    clock.advance(timedelta(minutes=1))
    assert (clock.now().isoformat(), clock.monotonic()) == ("2026-03-03T04:01:00+00:00", 60.0)


def test_a_jump_moves_the_wall_clock_alone(clock: ManualClock) -> None:
    clock.jump(timedelta(hours=-1))
    assert (clock.now().isoformat(), clock.monotonic()) == ("2026-03-03T03:00:00+00:00", 0.0)


def test_a_manual_clock_turns_its_start_into_utc_and_refuses_a_naive_one() -> None:
    assert ManualClock(datetime(2026, 3, 3, 11, tzinfo=HANOI)).now() == datetime(2026, 3, 3, 4, tzinfo=UTC)
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 3, 3, 11))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 3, 3, 4, tzinfo=UTC), "2026-03-03T04:00:00Z"),
        (datetime(2026, 3, 3, 4, tzinfo=HANOI), "2026-03-02T21:00:00Z"),
        (datetime(2026, 3, 3, 4, 0, 0, 1000, tzinfo=UTC), "2026-03-03T04:00:00.001000Z"),
    ],
)
def test_times_leave_in_utc_with_a_z(moment: datetime, text: str) -> None:
    assert iso(moment) == text


def test_a_naive_time_does_not_leave() -> None:
    with pytest.raises(ValueError, match="naive"):
        iso(datetime(2026, 3, 3))
