"""Leases: what a receiver that died, or was away too long, held comes back, and its late words change nothing."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from queue_places import ME, OTHER, Feature, QueuePlace
from queue_samples import draft, drafts, numbers, take, take_all, take_one

from roundsman.message import Message
from roundsman.queues.base import Queue

LATE_WORDS: list[Callable[[Queue, Sequence[Message]], list[Message]]] = [
    lambda queue, messages: queue.ack(messages),
    lambda queue, messages: queue.nack(messages),
    lambda queue, messages: queue.nack(messages, timedelta(hours=1)),
    lambda queue, messages: queue.bury(messages, "too late"),
    lambda queue, messages: queue.extend(messages),
]
late_words = pytest.mark.parametrize("late", LATE_WORDS, ids=["ack", "nack", "nack for later", "bury", "extend"])


def test_a_message_comes_back_when_its_lease_has_run_out(place: QueuePlace) -> None:
    queue, other = place.queue(lease=3 * place.tick), place.queue(owner=OTHER)
    queue.enqueue([draft()])
    first = take_one(queue)
    place.pass_time(place.tick)
    assert take(other) == []
    place.pass_time(3 * place.tick)
    again = take_one(other)
    assert (again.id, first.deliveries, again.deliveries) == (first.id, 1, 2)
    assert again.enqueued_at == first.enqueued_at


def test_an_extended_lease_holds_on(place: QueuePlace) -> None:
    queue, other = place.queue(lease=3 * place.tick), place.queue(owner=OTHER)
    queue.enqueue([draft()])
    message = take_one(queue)
    for _ in range(3):
        place.pass_time(2 * place.tick)
        assert queue.extend([message]) == []
    assert take(other) == []
    assert queue.ack([message]) == []
    place.pass_time(4 * place.tick)
    assert take(other) == []


def test_an_extended_lease_still_runs_out(place: QueuePlace) -> None:
    queue = place.queue(lease=2 * place.tick)
    queue.enqueue([draft()])
    message = take_one(queue)
    place.pass_time(place.tick)
    assert queue.extend([message]) == []
    place.pass_time(3 * place.tick)
    assert take_one(queue).deliveries == 2


def test_putting_back_makes_it_receivable_at_once_and_counts_the_delivery(place: QueuePlace) -> None:
    queue, other = place.queue(), place.queue(owner=OTHER)
    queue.enqueue([draft()])
    assert queue.nack([take_one(queue)]) == []
    again = take_one(other)
    assert again.deliveries == 2
    assert other.nack([again]) == []
    assert take_one(queue).deliveries == 3


def test_putting_back_for_later_is_honoured(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft()])
    assert queue.nack([take_one(queue)], 3 * place.tick) == []
    assert take(queue) == []
    place.pass_time(place.tick)
    assert take(queue) == []
    place.pass_time(2 * place.tick)
    assert take_one(queue).deliveries == 2


def test_many_are_put_back_in_one_go(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue(drafts(range(50)))
    messages = take_all(queue)
    assert queue.nack(messages) == []
    again = take_all(queue)
    assert sorted(numbers(again)) == list(range(50))
    assert {message.deliveries for message in again} == {2}


@late_words
@pytest.mark.needs(Feature.FENCING)
def test_a_late_word_changes_nothing_and_is_reported(
    place: QueuePlace, late: Callable[[Queue, Sequence[Message]], list[Message]]
) -> None:
    queue, other = place.queue(lease=2 * place.tick), place.queue(owner=OTHER, lease=4 * place.tick)
    queue.enqueue(drafts([1, 2]))
    old = take(queue, 2)
    place.pass_time(3 * place.tick)
    (new,) = take(other, 1)
    (lost,) = [message for message in old if message.id == new.id]
    assert late(queue, [lost]) == [lost]
    assert queue.dead() == []
    assert len(take_all(place.queue())) == 1, "the other one is free; this one still belongs to its new receiver"
    assert other.extend([new]) == []
    assert other.ack([new]) == []
    assert late(queue, [lost]) == [lost], "nor when it is gone"
    place.pass_time(5 * place.tick)
    assert take_all(other) == []


@late_words
@pytest.mark.needs(Feature.FENCING)
def test_a_late_word_counts_no_more_even_when_the_same_receiver_has_it_again(
    place: QueuePlace, late: Callable[[Queue, Sequence[Message]], list[Message]]
) -> None:
    queue = place.queue(lease=2 * place.tick)
    queue.enqueue([draft()])
    old = take_one(queue)
    place.pass_time(3 * place.tick)
    new = take_one(queue)
    assert late(queue, [old]) == [old]
    assert queue.ack([new]) == []


@pytest.mark.needs(Feature.FENCING)
def test_a_late_word_counts_no_more_after_a_replay_has_set_the_deliveries_back(place: QueuePlace) -> None:
    queue = place.queue(lease=2 * place.tick, max_deliveries=1)
    queue.enqueue([draft()])
    old = take_one(queue)
    place.pass_time(3 * place.tick)
    assert take(queue) == []
    assert queue.replay() == 1
    new = take_one(queue)
    assert (old.deliveries, new.deliveries) == (1, 1)
    assert queue.ack([old]) == [old]
    assert queue.ack([new]) == []


@pytest.mark.needs(Feature.FENCING)
def test_only_the_lost_ones_are_reported(place: QueuePlace) -> None:
    queue, other = place.queue(lease=2 * place.tick), place.queue(owner=OTHER)
    queue.enqueue(drafts(range(4)))
    messages = take(queue, 4)
    assert queue.ack(messages[:2]) == []
    assert queue.ack(messages[:3]) == messages[:2]
    place.pass_time(3 * place.tick)
    take_one(other)
    assert queue.ack(messages) == messages


@pytest.mark.needs(Feature.RELEASE)
def test_what_a_dead_receiver_held_comes_back_at_once(place: QueuePlace) -> None:
    queue, dead = place.queue(), place.queue(owner=OTHER)
    queue.enqueue(drafts(range(5)))
    assert numbers(take(dead, 3)) == [0, 1, 2]
    mine = take_one(queue)
    assert queue.release([OTHER]) == 3
    assert sorted(numbers(take_all(queue))) == [0, 1, 2, 4]
    assert queue.ack([mine]) == []
    assert queue.release([OTHER]) == 0


@pytest.mark.needs(Feature.RELEASE)
def test_releasing_nobody_frees_what_nobody_holds_any_more(place: QueuePlace) -> None:
    queue, other = place.queue(lease=2 * place.tick), place.queue(owner=OTHER, lease=9 * place.tick)
    queue.enqueue(drafts(range(3)))
    take(queue, 2)
    take(other, 1)
    assert queue.release([]) == 0
    place.pass_time(3 * place.tick)
    assert queue.release([]) == 2
    assert sorted(numbers(take_all(queue))) == [0, 1]


@late_words
@pytest.mark.needs(Feature.RELEASE, Feature.FENCING)
def test_whoever_was_released_holds_nothing_any_more(
    place: QueuePlace, late: Callable[[Queue, Sequence[Message]], list[Message]]
) -> None:
    queue, believed_dead = place.queue(), place.queue(owner=OTHER)
    queue.enqueue([draft()])
    old = take_one(believed_dead)
    assert queue.release([OTHER, "nobody/x/1/1"]) == 1
    assert late(believed_dead, [old]) == [old]
    again = take_one(queue)
    assert again.deliveries == 2
    assert late(believed_dead, [old]) == [old]
    assert queue.ack([again]) == []


@pytest.mark.needs(Feature.RELEASE)
def test_many_are_released_at_once(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue(drafts(range(600)))
    while take(queue, 100):
        pass
    assert queue.release([ME]) == 600
    assert sorted(numbers(take_all(queue))) == list(range(600))
