"""How long is waited after a failure."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.retry import backoff


@given(attempt=st.integers(1, 10_000), seed=st.integers())
def test_the_wait_doubles_up_to_a_limit_and_is_at_least_half_of_that(attempt: int, seed: int) -> None:
    ceiling = min(timedelta(seconds=2) * 2 ** min(attempt - 1, 20), timedelta(minutes=5))
    wait = backoff(attempt, rng=random.Random(seed))
    assert ceiling / 2 <= wait <= ceiling


def test_failures_of_one_moment_come_back_at_different_ones() -> None:
    rng = random.Random(1)
    assert len({backoff(3, rng=rng) for _ in range(20)}) == 20


def test_first_and_most_can_be_chosen() -> None:
    rng = random.Random(1)
    assert backoff(1, first=timedelta(minutes=1), most=timedelta(minutes=1), rng=rng) >= timedelta(seconds=30)
    assert backoff(99, first=timedelta(minutes=1), most=timedelta(minutes=2), rng=rng) <= timedelta(minutes=2)


@pytest.mark.parametrize("attempt", [0, -1])
def test_attempts_count_from_one(attempt: int) -> None:
    with pytest.raises(ValueError, match="counts from 1"):
        backoff(attempt)
