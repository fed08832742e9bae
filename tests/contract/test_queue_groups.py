"""Groups: one message of a group is under way at a time, and they go in the order in which they came in."""

from datetime import timedelta

import pytest
from queue_places import OTHER, Feature, QueuePlace
from queue_samples import KIND, OTHER_KIND, draft, drafts, numbers, take, take_all, take_one

from roundsman.message import Priority

pytestmark = pytest.mark.needs(Feature.GROUPS)


def test_one_of_a_group_is_under_way_at_a_time(place: QueuePlace) -> None:
    queue, other = place.queue(), place.queue(owner=OTHER)
    queue.enqueue([draft(1, group="a"), draft(2, group="a"), draft(3, group="b"), draft(4)])
    received = take_all(queue)
    assert sorted(numbers(received)) == [1, 3, 4]
    assert {message.group for message in received} == {"a", "b", None}
    assert take(other) == []
    queue.ack([message for message in received if message.group == "a"])
    assert numbers(take(other)) == [2]


def test_a_group_goes_in_the_order_in_which_it_came_whatever_the_priorities(place: QueuePlace) -> None:
    queue = place.queue()
    for number, priority in enumerate([Priority.LOW, Priority.CRITICAL, Priority.NORMAL, Priority.HIGH]):
        queue.enqueue([draft(number, group="a", priority=priority)])
    received = []
    while messages := take(queue):
        received += numbers(messages)
        queue.ack(messages)
    assert received == [0, 1, 2, 3]


def test_a_group_lies_across_kinds(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft(1, group="a"), draft(2, group="a", kind=OTHER_KIND)])
    assert take(queue, kinds=[OTHER_KIND]) == []
    first = take_one(queue, kinds=[KIND, OTHER_KIND])
    assert first.body == {"number": 1}
    queue.ack([first])
    assert numbers(take(queue, kinds=[OTHER_KIND])) == [2]


def test_a_group_waits_for_the_one_that_was_put_back(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue(drafts([1, 2], group="a"))
    queue.nack([take_one(queue)])
    assert numbers(take(queue)) == [1]


@pytest.mark.needs(Feature.TIME)
def test_a_group_waits_for_the_one_that_was_put_back_for_later(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([*drafts([1, 2], group="a"), draft(3, group="b")])
    first, of_another_group = take_all(queue)
    queue.ack([of_another_group])
    queue.nack([first], timedelta(minutes=10))
    assert take(queue) == []
    place.pass_time(timedelta(minutes=9))
    assert take(queue) == []
    place.pass_time(timedelta(minutes=1))
    again = take_one(queue)
    assert again.body == {"number": 1}
    queue.ack([again])
    assert numbers(take(queue)) == [2]


@pytest.mark.needs(Feature.TIME)
def test_a_group_waits_for_the_one_that_is_delayed(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft(1, group="a", delay=timedelta(minutes=10)), draft(2, group="a")])
    assert take(queue) == []
    place.pass_time(timedelta(minutes=10))
    assert numbers(take(queue)) == [1]


@pytest.mark.needs(Feature.TIME)
def test_the_next_of_a_group_still_waits_for_its_own_time(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft(1, group="a"), draft(2, group="a", delay=timedelta(minutes=10)), draft(3, group="a")])
    queue.ack([take_one(queue)])
    assert take(queue) == []
    place.pass_time(timedelta(minutes=10))
    second = take_one(queue)
    queue.ack([second])
    assert numbers([second, take_one(queue)]) == [2, 3]


def test_a_group_waits_for_the_one_whose_lease_ran_out(place: QueuePlace) -> None:
    queue = place.queue(lease=2 * place.tick)
    queue.enqueue(drafts([1, 2], group="a"))
    take_one(queue)
    place.pass_time(3 * place.tick)
    again = take_one(queue)
    assert (again.body, again.deliveries) == ({"number": 1}, 2)
    queue.ack([again])
    assert numbers(take(queue)) == [2]


@pytest.mark.needs(Feature.RELEASE)
def test_a_group_waits_for_the_one_that_a_dead_receiver_held(place: QueuePlace) -> None:
    queue, dead = place.queue(), place.queue(owner=OTHER)
    queue.enqueue(drafts([1, 2], group="a"))
    take_one(dead)
    queue.release([OTHER])
    assert numbers(take(queue)) == [1]


def test_a_buried_message_lets_the_next_of_its_group_go(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue(drafts([1, 2, 3], group="a"))
    queue.bury([take_one(queue)], "broken")
    second = take_one(queue)
    assert second.body == {"number": 2}
    assert take(queue) == []


def test_a_message_that_came_back_too_often_lets_the_next_of_its_group_go(place: QueuePlace) -> None:
    queue = place.queue(max_deliveries=1)
    queue.enqueue(drafts([1, 2], group="a"))
    queue.nack([take_one(queue)])
    assert numbers(take(queue)) == [2]


def test_a_message_that_is_replayed_joins_its_group(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue(drafts([1, 2], group="a"))
    queue.bury([take_one(queue)], "broken")
    second = take_one(queue)
    assert queue.replay() == 1
    assert take(queue) == [], "another of its group is under way"
    queue.ack([second])
    assert numbers(take(queue)) == [1]


@pytest.mark.needs(Feature.FENCING)
def test_a_late_word_does_not_open_a_group(place: QueuePlace) -> None:
    queue, other = place.queue(lease=2 * place.tick), place.queue(owner=OTHER)
    queue.enqueue(drafts([1, 2], group="a"))
    old = take_one(queue)
    place.pass_time(3 * place.tick)
    take_one(other)
    assert queue.ack([old]) == [old]
    assert queue.bury([old], "too late") == [old]
    assert take(queue) == []


def test_a_group_that_was_empty_begins_anew(place: QueuePlace) -> None:
    queue = place.queue()
    for number in range(3):
        queue.enqueue([draft(number, group="a")])
        message = take_one(queue)
        assert message.body == {"number": number}
        queue.ack([message])


def test_several_of_a_group_are_never_received_together(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft(number, group=f"g{number % 5}") for number in range(50)])
    received: list[int] = []
    while messages := take(queue, 50):
        assert len({message.group for message in messages}) == len(messages)
        received += numbers(messages)
        queue.ack(messages)
    assert sorted(received) == list(range(50))
    for group in range(5):
        assert [number for number in received if number % 5 == group] == list(range(group, 50, 5))


@pytest.mark.needs(Feature.TIME)
def test_thousands_that_wait_for_their_group_do_not_stand_in_the_way(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue(drafts(range(5_000), group="long", priority=Priority.CRITICAL))
    queue.enqueue([draft(9_000 + number, group=f"g{number}") for number in range(20)])
    first = take_one(queue)
    assert first.body == {"number": 0}
    assert numbers(take(queue, 10)) == list(range(9_000, 9_010))
    queue.ack([first])
    assert numbers(take(queue, 1)) == [1]
