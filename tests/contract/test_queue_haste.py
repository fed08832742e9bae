"""Messages that need not wait for their time any more, and who holds what."""

from datetime import timedelta

import pytest
from queue_places import ME, OTHER, Feature, QueuePlace
from queue_samples import KIND, OTHER_KIND, PATIENCE, draft, drafts, numbers, take, take_all, take_one

DAY = timedelta(days=1)


@pytest.mark.needs(Feature.HASTE)
def test_a_delayed_message_can_be_hastened(place: QueuePlace) -> None:
    queue = place.queue()
    first, second = (entered.id for entered in queue.enqueue(drafts([1, 2], delay=DAY)))
    assert queue.hasten([second]) == {second}
    assert numbers(take_all(queue)) == [2]
    assert queue.hasten([first, second]) == {first}
    assert numbers(take_all(queue)) == [1]


@pytest.mark.needs(Feature.HASTE)
def test_one_that_was_put_back_for_later_can_be_hastened(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft()])
    message = take_one(queue)
    queue.nack([message], DAY)
    assert queue.hasten([message.id]) == {message.id}
    assert take_one(queue).deliveries == 2


@pytest.mark.needs(Feature.HASTE, Feature.GROUPS)
def test_a_hastened_head_lets_its_group_go_on(place: QueuePlace) -> None:
    queue = place.queue()
    head, _ = queue.enqueue([draft(1, group="g", delay=DAY), draft(2, group="g")])
    assert take(queue) == []
    queue.hasten([head.id])
    message = take_one(queue)
    assert message.body == {"number": 1}
    queue.ack([message])
    assert take_one(queue).body == {"number": 2}


@pytest.mark.needs(Feature.HASTE, Feature.GROUPS)
def test_one_that_is_hastened_behind_its_group_does_not_wait_for_its_time_as_its_head(place: QueuePlace) -> None:
    queue = place.queue()
    _, later, _ = queue.enqueue([draft(1, group="g"), draft(2, group="g", delay=DAY), draft(3, group="g")])
    assert queue.hasten([later.id]) == {later.id}
    assert queue.hasten([later.id]) == set()
    for number in (1, 2, 3):
        message = take_one(queue)
        assert message.body == {"number": number}
        queue.ack([message])


@pytest.mark.needs(Feature.HASTE)
def test_what_does_not_wait_for_a_time_is_left_alone(place: QueuePlace) -> None:
    queue = place.queue()
    ready, leased, gone, dead = queue.enqueue(drafts([1, 2, 3, 4]))
    messages = {message.id: message for message in take(queue, 4)}
    queue.nack([messages[ready.id]])
    queue.ack([messages[gone.id]])
    queue.bury([messages[dead.id]], "it is")
    assert queue.hasten([ready.id, leased.id, gone.id, dead.id, "4711", "no number"]) == set()
    assert queue.hasten([]) == set()
    assert numbers(take_all(queue)) == [1]
    assert queue.extend([messages[leased.id]]) == []


@pytest.mark.needs(Feature.REMEMBERED_HASTE)
def test_one_that_is_put_back_after_it_was_hastened_comes_at_once_but_once(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft()])
    message = take_one(queue)
    assert queue.hasten([message.id]) == set(), "it does not wait"
    queue.nack([message], DAY)
    again = take_one(queue)
    queue.nack([again], DAY)
    assert take(queue) == []


@pytest.mark.needs(Feature.REMEMBERED_HASTE)
def test_nothing_is_remembered_of_what_is_done_with_or_given_up(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue(drafts([1, 2, 3]))
    done, dead, free = take(queue, 3)
    queue.hasten([done.id, dead.id, free.id])
    queue.ack([done])
    queue.bury([dead], "it is")
    queue.release([ME])
    queue.replay()
    for message in take(queue, 3):
        queue.nack([message], DAY)
    assert take(queue) == []


@pytest.mark.needs(Feature.HASTE)
def test_whoever_waits_hears_of_a_hastened_message(place: QueuePlace) -> None:
    queue, other = place.queue(), place.queue()
    (entered,) = queue.enqueue([draft(1, delay=DAY)])
    other.hasten([entered.id])
    assert numbers(queue.dequeue({KIND: 1}, 1, PATIENCE)) == [1]


@pytest.mark.needs(Feature.RELEASE)
def test_the_receivers_are_those_who_hold_something(place: QueuePlace) -> None:
    queue, other = place.queue(), place.queue(owner=OTHER)
    assert queue.receivers() == set()
    queue.enqueue([draft(1), draft(2, kind=OTHER_KIND), draft(3)])
    assert queue.receivers() == set()
    mine, theirs = take_one(queue), take_one(other, kinds=[OTHER_KIND])
    assert queue.receivers() == other.receivers() == {ME, OTHER}
    queue.ack([mine])
    assert queue.receivers() == {OTHER}
    assert queue.release([OTHER]) == 1
    assert queue.receivers() == set()
    assert other.ack([theirs]) == [theirs]
