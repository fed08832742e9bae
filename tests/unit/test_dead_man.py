"""Ran, but did nothing: what a month of history says about a row of empty runs."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.dead_man import KINDS, LEARNT_WEEKS, Watch, delay, false_alarms, trace
from roundsman.watch.hours import HOUR, HOURS_OF_WEEK, NOTHING, SOMETHING, Hour, hour_of, hour_of_week
from roundsman.watch.silence import LEAST_HISTORY, Baseline, Silence, TooNew, learn, measure, pace, split

UTC_ZONE = ZoneInfo("UTC")
MONDAY = datetime(2026, 2, 2, tzinfo=UTC)


def hours(weeks: int, night: range = range(6), runs: int = 60, start: datetime = MONDAY) -> list[Hour]:
    """Something in every third run by day, nothing by night."""
    found = []
    for number in range(weeks * HOURS_OF_WEEK):
        at = start + number * HOUR
        marks = NOTHING * runs if at.hour in night else (SOMETHING + NOTHING * 2) * (runs // 3)
        found.append(Hour(at, marks, marks.count(SOMETHING) * 2))
    return found


def empty(start: datetime, count: int, runs: int = 60) -> list[Hour]:
    return [Hour(start + number * HOUR, NOTHING * runs, 0) for number in range(count)]


def learnt(past: list[Hour]) -> Baseline:
    found = learn(past, UTC_ZONE)
    assert isinstance(found, Baseline)
    return found


def silence(past: list[Hour], now: list[Hour]) -> Silence:
    known, last = split([*past, *now])
    baseline = learnt(list(known))
    return measure(last, baseline, UTC_ZONE, pace(known, baseline, UTC_ZONE))


def test_nothing_is_said_before_two_weeks_are_known() -> None:
    assert learn([], UTC_ZONE) == TooNew(timedelta(0))
    past = hours(3)
    short = [hour for hour in past if hour.start - MONDAY < LEAST_HISTORY]
    assert learn(short, UTC_ZONE) == TooNew(LEAST_HISTORY - HOUR)
    assert isinstance(learn(past, UTC_ZONE), Baseline)


def test_an_hour_of_nothing_by_day_is_strange_and_a_night_of_it_is_not() -> None:
    past = hours(4)
    end = past[-1].start + HOUR
    night = silence(past, empty(end, 6))
    assert (night.runs, night.is_strange) == (362, False)  # with the two empty runs before midnight
    assert night.once_in_weeks < 1
    assert night.usual < 2
    day = silence([*past, *_day(end)], empty(end + 12 * HOUR, 1))
    assert day.is_strange
    assert day.usual == pytest.approx(60 * 2 / 3, abs=2)
    assert day.begun == end + 11 * HOUR


def _day(end: datetime) -> list[Hour]:
    return [hour for hour in hours(1, start=end) if hour.start < end + 12 * HOUR]


def test_a_silence_that_begins_at_night_counts_from_the_morning_on() -> None:
    past = hours(4)
    end = past[-1].start + HOUR
    assert not silence(past, empty(end, 6)).is_strange
    assert silence(past, empty(end, 7)).is_strange


def test_one_result_ends_it() -> None:
    past = hours(4)
    noon = past[-1].start + 13 * HOUR
    back = [*_day(past[-1].start + HOUR), *empty(noon, 2), Hour(noon + 2 * HOUR, NOTHING * 9 + SOMETHING, 1)]
    assert silence(past, back).runs == 0


def test_a_silence_is_not_learnt_from_while_it_lasts() -> None:
    past = hours(4)
    known, last = split([*past, *empty(past[-1].start + HOUR, 100)])
    assert known[-1] == past[-2]
    assert len(last) == 101


def test_what_has_been_silent_for_too_long_has_no_history_left() -> None:
    past = hours(4)[-10 * 24 :]
    known, _ = split([*past, *empty(past[-1].start + HOUR, 20 * 24)])
    assert isinstance(learn(known, UTC_ZONE), TooNew)


def test_hours_are_those_of_the_people_there() -> None:
    assert hour_of_week(MONDAY, UTC_ZONE) == 0
    assert hour_of_week(MONDAY, ZoneInfo("Asia/Ho_Chi_Minh")) == 7
    assert hour_of_week(MONDAY - HOUR, UTC_ZONE) == 167
    assert hour_of(MONDAY + timedelta(minutes=59, seconds=3)) == MONDAY


def test_an_hour_in_which_the_job_never_ran_says_nothing() -> None:
    past = [hour for hour in hours(4, night=range(0)) if hour.start.hour < 20]
    late = silence(past, empty(past[-1].start + HOUR, 4))
    assert late.nats < 1  # the silence began with two runs of the last hour


# --- properties ---

MARKS = st.lists(st.integers(0, 1), min_size=1, max_size=12).map(bytes)


@given(st.lists(MARKS, min_size=340, max_size=360), st.integers(0, 30))
def test_more_silence_is_never_less_strange(marks: list[bytes], more: int) -> None:
    past = [Hour(MONDAY + number * HOUR, each, each.count(1)) for number, each in enumerate(marks)]
    past[-1] = Hour(past[-1].start, SOMETHING, 1)
    known, _ = split(past)
    baseline = learn(known, UTC_ZONE)
    assert isinstance(baseline, Baseline)
    assert all(each > 0 for each in baseline.nats)
    assert baseline.stretch >= 1
    before = measure([past[-1], *empty(past[-1].start + HOUR, more, runs=3)], baseline, UTC_ZONE, 1.0)
    after = measure([past[-1], *empty(past[-1].start + HOUR, more + 1, runs=3)], baseline, UTC_ZONE, 1.0)
    assert after.nats > before.nats
    assert after.threshold == before.threshold > 0
    assert after.runs == before.runs + 3
    assert after.is_strange or not before.is_strange
    left = after.runs_left(5)
    assert left is None or (left == 0) == after.is_strange


@pytest.mark.parametrize("seed", range(3))
def test_what_the_walk_tells_is_what_a_look_at_that_moment_finds(seed: int) -> None:
    kind = KINDS["shop"]
    past = trace(kind, seed, LEARNT_WEEKS)
    begins = past[-1].start + HOUR
    ahead = empty(begins, 24)
    told = next(Watch(UTC_ZONE).walk(past, ahead), None)
    assert told is not None
    number, index = told
    seen = [*ahead[:number], Hour(ahead[number].start, NOTHING * (index + 1), 0)]
    assert silence_here(past, seen).is_strange
    assert not silence_here(past, [*seen[:-1], Hour(seen[-1].start, NOTHING * index, 0)]).is_strange


def silence_here(past: list[Hour], now: list[Hour]) -> Silence:
    return silence(past, [hour for hour in now if hour.marks])


# --- what is promised ---

BARS = {"noisy_days": 1, "bursts": 2, "shrinking": 1}
"""Of false alarms in forty weeks, where weeks are not alike; elsewhere none."""


@pytest.mark.parametrize("name", KINDS)
def test_false_alarms_stay_rare_whatever_the_rhythm(name: str) -> None:
    assert sum(false_alarms(KINDS[name], seed) for seed in range(10)) <= BARS.get(name, 0)


@pytest.mark.parametrize(
    ("name", "minutes"), [("shop", 60), ("round_the_clock", 15), ("bursts", 240), ("hourly", 24 * 60)]
)
def test_an_outage_at_a_lively_hour_is_noticed_soon(name: str, minutes: int) -> None:
    found = sorted(delay(KINDS[name], seed) or timedelta(days=9) for seed in range(9))
    assert found[len(found) // 2] <= timedelta(minutes=minutes)
