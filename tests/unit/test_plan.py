"""Which ticks are owed and what becomes of each, against a year with random gaps."""

import itertools
import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.scheduling.job import CatchUp
from roundsman.scheduling.ledger import TickEntry, TickState
from roundsman.scheduling.plan import MOST_GAP_ROWS, Gap, plan
from roundsman.scheduling.trigger import parse_trigger

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
DOWN = Gap(TickState.MISSED, "no daemon was running")


def _plan(
    text: str, since: datetime, now: datetime, catch_up: CatchUp = CatchUp.SKIP, *, covered: bool = False
) -> list[TickEntry]:
    return plan("job", parse_trigger(text, BERLIN), since=since, now=now, catch_up=catch_up, gap=DOWN, covered=covered)


def _states(entries: list[TickEntry]) -> list[TickState]:
    return [entry.state for entry in entries]


def test_a_tick_that_is_due_just_now_runs() -> None:
    entries = _plan("every 1m", NOON - timedelta(seconds=30), NOON + timedelta(milliseconds=20))
    assert [(entry.due_at, entry.state) for entry in entries] == [(NOON, TickState.RAN)]


def test_more_than_a_second_after_its_time_it_is_late() -> None:
    assert _states(_plan("every 1m", NOON - timedelta(seconds=30), NOON + timedelta(seconds=2))) == [TickState.LATE]


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        (CatchUp.SKIP, [TickState.MISSED] * 4),
        (CatchUp.ONCE, [TickState.MISSED] * 3 + [TickState.LATE]),
        (CatchUp.ALL, [TickState.LATE] * 4),
    ],
)
def test_after_a_downtime_the_policy_decides(catch_up: CatchUp, expected: list[TickState]) -> None:
    entries = _plan("every 1h", NOON - timedelta(hours=4), NOON + timedelta(minutes=10), catch_up)
    assert _states(entries) == expected


def test_once_owes_nothing_when_a_run_begins_anyway() -> None:
    entries = _plan("every 1h", NOON - timedelta(hours=4), NOON + timedelta(minutes=10), CatchUp.ONCE, covered=True)
    assert _states(entries) == [TickState.MISSED] * 4


def test_of_a_very_long_gap_one_row_stands_for_the_oldest_ticks() -> None:
    entries = _plan("every 1s", NOON - timedelta(days=1), NOON, CatchUp.ONCE)
    assert len(entries) == MOST_GAP_ROWS + 1
    assert sum(entry.stands_for for entry in entries) == 86_400
    assert entries[0].due_at == NOON - timedelta(days=1) + timedelta(seconds=1)


@pytest.mark.parametrize("catch_up", CatchUp)
@pytest.mark.parametrize("text", ["30 2 * * *", "*/20 * * * *", "every 45m", "15 9 * * 1-5"])
def test_a_year_with_gaps_and_both_clock_changes_has_a_row_for_every_expected_tick(
    text: str, catch_up: CatchUp
) -> None:
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    rng = random.Random(f"{text} {catch_up}")
    recorded: list[TickEntry] = []
    seen = start
    while seen < end:
        # Mostly looked at in time, sometimes asleep for up to three days
        step = timedelta(seconds=rng.uniform(60, 9000) if rng.random() < 0.98 else rng.uniform(3600, 260_000))
        now = min(seen + step, end)
        recorded += _plan(text, seen, now, catch_up)
        seen = now
    expected = list(parse_trigger(text, BERLIN).between(start, end))
    assert [entry.due_at for entry in recorded] == expected
    if catch_up is CatchUp.ALL:
        assert all(entry.runs for entry in recorded)
    if text == "30 2 * * *":
        assert len(expected) == 365


@given(
    st.sampled_from(["every 5s", "every 10m", "30 2 * * *"]),
    st.lists(st.integers(0, 100_000), min_size=1, max_size=8),
    st.sampled_from(CatchUp),
)
def test_how_often_one_looks_changes_no_tick(text: str, looks: list[int], catch_up: CatchUp) -> None:
    end = NOON + timedelta(seconds=100_000)
    moments = [NOON, *sorted(NOON + timedelta(seconds=look) for look in looks), end]
    pieces = [entry for since, now in itertools.pairwise(moments) for entry in _plan(text, since, now, catch_up)]
    whole = _plan(text, NOON, end, catch_up)
    assert sum(entry.stands_for for entry in pieces) == sum(entry.stands_for for entry in whole)
    if sum(entry.stands_for for entry in whole) <= MOST_GAP_ROWS:
        assert [entry.due_at for entry in pieces] == [entry.due_at for entry in whole]
