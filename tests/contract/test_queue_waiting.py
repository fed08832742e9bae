"""Waiting for work: a queue that is asked to wait answers as soon as there is something, or when it is woken."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from queue_places import OTHER, Feature, QueuePlace
from queue_samples import KIND, PATIENCE, draft, drafts, numbers, take, take_one

from roundsman.clock import SystemClock
from roundsman.message import KindLimits, Message, Rate
from roundsman.queues.base import Queue

SHORT = timedelta(milliseconds=50)
DEADLINE = PATIENCE.total_seconds() * 0.7
"""Whatever ends a wait must do it before the wait ends by itself."""


class Waiter:
    """A thread that waits for a message; leave the block when it has returned."""

    def __init__(self, queue: Queue, most: int = 10) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._started = threading.Event()
        self._answer: Future[list[Message]] = self._pool.submit(self._wait, queue, most)

    def _wait(self, queue: Queue, most: int) -> list[Message]:
        self._started.set()
        return queue.dequeue({KIND: most}, most, PATIENCE)

    def settle(self) -> None:
        """Let it come to its wait, and see that it does wait."""
        self._started.wait(DEADLINE)
        assert wait([self._answer], timeout=0.05).not_done

    def answer(self) -> list[Message]:
        try:
            return self._answer.result(DEADLINE)
        finally:
            self._pool.shutdown(wait=False)


def test_waiting_ends_with_the_time_that_was_given(place: QueuePlace) -> None:
    queue = place.queue(clock=SystemClock())
    began = time.monotonic()
    assert queue.dequeue({KIND: 1}, 1, SHORT) == []
    assert time.monotonic() - began >= SHORT.total_seconds()


@pytest.mark.needs(Feature.TIME)
def test_the_time_that_is_waited_is_real_also_where_the_clock_stands_still(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft(delay=timedelta(minutes=1))])
    assert queue.dequeue({KIND: 1}, 1, SHORT) == []


def test_nobody_waits_when_something_is_there(place: QueuePlace) -> None:
    queue = place.queue(clock=SystemClock())
    queue.enqueue([draft(1)])
    assert numbers(Waiter(queue).answer()) == [1]


def test_a_waiting_receiver_gets_what_is_enqueued(place: QueuePlace) -> None:
    queue = place.queue(clock=SystemClock())
    waiter = Waiter(queue)
    waiter.settle()
    queue.enqueue([draft(1)])
    assert numbers(waiter.answer()) == [1]


def test_a_waiting_receiver_gets_what_another_queue_enqueues(place: QueuePlace) -> None:
    queue, other = place.queue(clock=SystemClock()), place.queue(owner=OTHER, clock=SystemClock())
    waiter = Waiter(queue)
    waiter.settle()
    other.enqueue([draft(1)])
    assert numbers(waiter.answer()) == [1]


@pytest.mark.needs(Feature.PROCESSES)
def test_a_waiting_receiver_gets_what_another_process_enqueues(place: QueuePlace) -> None:
    queue = place.queue(clock=SystemClock())
    waiter = Waiter(queue)
    waiter.settle()
    place.enqueue_elsewhere(draft(1))
    assert numbers(waiter.answer()) == [1]


def test_a_waiting_receiver_gets_what_is_put_back(place: QueuePlace) -> None:
    queue, other = place.queue(clock=SystemClock()), place.queue(owner=OTHER, clock=SystemClock())
    queue.enqueue([draft(1)])
    message = take_one(other)
    waiter = Waiter(queue)
    waiter.settle()
    other.nack([message])
    assert numbers(waiter.answer()) == [1]


def test_a_waiting_receiver_gets_what_becomes_due(place: QueuePlace) -> None:
    queue = place.queue(clock=SystemClock())
    queue.enqueue([draft(1, delay=max(place.tick / 4, timedelta(seconds=0.2)))])
    assert numbers(Waiter(queue).answer()) == [1]


def test_a_waiting_receiver_hears_of_something_earlier_than_what_it_waits_for(place: QueuePlace) -> None:
    queue = place.queue(clock=SystemClock())
    queue.enqueue([draft(1, delay=timedelta(minutes=10))])
    waiter = Waiter(queue)
    waiter.settle()
    queue.enqueue([draft(2, delay=timedelta(seconds=1))])
    assert numbers(waiter.answer()) == [2]


def test_a_waiting_receiver_gets_what_nobody_holds_any_more(place: QueuePlace) -> None:
    queue = place.queue(clock=SystemClock())
    dying = place.queue(owner=OTHER, lease=timedelta(seconds=1), clock=SystemClock())
    queue.enqueue([draft(1)])
    take_one(dying)
    (message,) = Waiter(queue).answer()
    assert (message.body, message.deliveries) == ({"number": 1}, 2)


@pytest.mark.needs(Feature.RELEASE)
def test_a_waiting_receiver_gets_what_is_released(place: QueuePlace) -> None:
    queue, dead = place.queue(clock=SystemClock()), place.queue(owner=OTHER, clock=SystemClock())
    queue.enqueue([draft(1)])
    take_one(dead)
    waiter = Waiter(queue)
    waiter.settle()
    queue.release([OTHER])
    assert numbers(waiter.answer()) == [1]


def test_a_waiting_receiver_gets_what_is_replayed(place: QueuePlace) -> None:
    queue = place.queue(clock=SystemClock())
    queue.enqueue([draft(1)])
    queue.bury([take_one(queue)], "broken")
    waiter = Waiter(queue)
    waiter.settle()
    queue.replay()
    assert numbers(waiter.answer()) == [1]


@pytest.mark.needs(Feature.GROUPS)
def test_a_waiting_receiver_gets_the_next_of_a_group(place: QueuePlace) -> None:
    queue, other = place.queue(clock=SystemClock()), place.queue(owner=OTHER, clock=SystemClock())
    queue.enqueue(drafts([1, 2, 3], group="a"))
    for number, end in [(2, other.ack), (3, lambda messages: other.bury(messages, "broken"))]:
        first = take_one(other)
        waiter = Waiter(queue)
        waiter.settle()
        end([first])
        received = waiter.answer()
        assert numbers(received) == [number]
        queue.nack(received)


@pytest.mark.needs(Feature.LIMITS)
def test_a_waiting_receiver_hears_when_there_is_room_again(place: QueuePlace) -> None:
    limits = {KIND: KindLimits(concurrency=1)}
    queue = place.queue(clock=SystemClock(), limits=limits)
    other = place.queue(owner=OTHER, clock=SystemClock(), limits=limits)
    queue.enqueue(drafts([1, 2]))
    first = take_one(other)
    waiter = Waiter(queue)
    waiter.settle()
    other.ack([first])
    assert numbers(waiter.answer()) == [2]


@pytest.mark.needs(Feature.LIMITS)
def test_a_waiting_receiver_gets_what_the_rate_lets_through_again(place: QueuePlace) -> None:
    queue = place.queue(clock=SystemClock(), limits={KIND: KindLimits(rate=Rate(2, timedelta(seconds=1)))})
    queue.enqueue(drafts([1, 2, 3]))
    assert numbers(take(queue)) == [1, 2]
    assert numbers(Waiter(queue).answer()) == [3]


def test_a_waiting_receiver_can_be_woken(place: QueuePlace) -> None:
    queue = place.queue(clock=SystemClock())
    waiter = Waiter(queue)
    waiter.settle()
    queue.wake()
    assert waiter.answer() == []


def test_a_wake_before_the_wait_is_not_lost(place: QueuePlace) -> None:
    queue = place.queue(clock=SystemClock())
    queue.wake()
    assert Waiter(queue).answer() == []
    began = time.monotonic()
    assert queue.dequeue({KIND: 1}, 1, SHORT) == []
    assert time.monotonic() - began >= SHORT.total_seconds(), "and it counts once"


def test_a_receiver_that_has_no_room_waits_until_it_is_woken(place: QueuePlace) -> None:
    queue = place.queue(clock=SystemClock())
    queue.enqueue([draft()])
    waiter = Waiter(queue, most=0)
    waiter.settle()
    queue.wake()
    assert waiter.answer() == []
    assert len(take(queue)) == 1


def test_closing_ends_a_wait(place: QueuePlace) -> None:
    queue = place.queue(clock=SystemClock())
    waiter = Waiter(queue)
    waiter.settle()
    queue.close()
    assert waiter.answer() == []
