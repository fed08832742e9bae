"""The order of a queue, whatever comes in and however long things wait; on the queue in memory, which is the model."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from queue_samples import draft, numbers, take_all, take_one

from roundsman.clock import ManualClock
from roundsman.message import AGEING, LEAST, MOST
from roundsman.queues.base import QueueOptions
from roundsman.queues.memory import MemoryQueue

START = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)

priorities = st.integers(LEAST, MOST)
gaps = st.sampled_from([0, 1, 30, 59, 60, 61, 300, 3_600])  # seconds
arrivals = st.lists(st.tuples(priorities, gaps), min_size=1, max_size=30)


def make() -> tuple[MemoryQueue, ManualClock]:
    clock = ManualClock(START)
    return MemoryQueue(QueueOptions("me", lease=timedelta(days=999)), clock), clock


@given(arrivals)
def test_nobody_is_passed_by_those_who_came_later_than_the_difference_is_worth(came: list[tuple[int, int]]) -> None:
    queue, clock = make()
    at = []
    for number, (priority, gap) in enumerate(came):
        clock.advance(timedelta(seconds=gap))
        at.append(clock.now())
        queue.enqueue([draft(number, priority=priority)])
    order = numbers(take_all(queue))
    assert sorted(order) == list(range(len(came)))
    for place, first in enumerate(order):
        for second in order[place + 1 :]:
            ahead = (came[first][0] - came[second][0]) * AGEING
            assert at[first] <= at[second] + ahead, "who goes first came first, but for what its priority is worth"


@given(priorities, st.lists(st.tuples(priorities, gaps), max_size=200))
def test_whatever_keeps_coming_only_the_early_ones_pass(low: int, others: list[tuple[int, int]]) -> None:
    queue, clock = make()
    queue.enqueue([draft(0, priority=low)])
    early = passed = 0
    for number, (priority, gap) in enumerate(others, start=1):
        clock.advance(timedelta(seconds=gap))
        early += clock.now() - START < (MOST - low) * AGEING
        queue.enqueue([draft(number, priority=priority)])
        message = take_one(queue)
        if message.body["number"] == 0:
            break
        passed += 1
        queue.ack([message])
    assert passed <= early
