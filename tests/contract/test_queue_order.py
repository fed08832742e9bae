"""In which order a queue hands out its messages, and when."""

from datetime import timedelta

import pytest
from queue_places import Feature, QueuePlace
from queue_samples import KIND, OTHER_KIND, draft, drafts, numbers, take, take_all, take_one

from roundsman.message import AGEING, Priority, parse_priority


@pytest.mark.needs(Feature.ORDER)
def test_equals_go_in_the_order_in_which_they_came(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue(drafts(range(5)))
    queue.enqueue(drafts(range(5, 12)))
    assert numbers(take(queue, 3)) == [0, 1, 2]
    assert numbers(take(queue, 100)) == list(range(3, 12))


@pytest.mark.needs(Feature.ORDER)
def test_the_most_urgent_goes_first(place: QueuePlace) -> None:
    queue = place.queue()
    names: list[str | int] = ["low", "critical", "normal", "high", "medium", 100, 0, 11, 7, "CRITICAL"]
    queue.enqueue([draft(number, priority=parse_priority(name)) for number, name in enumerate(names)])
    assert [names[number] for number in numbers(take_all(queue))] == [
        100, "critical", "CRITICAL", 11, "high", 7, "normal", "medium", "low", 0,
    ]  # fmt: skip


@pytest.mark.needs(Feature.ORDER)
def test_the_most_urgent_goes_first_whatever_its_kind(place: QueuePlace) -> None:
    queue = place.queue()
    kinds = [KIND, OTHER_KIND, "third"]
    for number in range(30):
        queue.enqueue([draft(number, kind=kinds[number % 3], priority=(number * 7) % 30)])
    received = [number for _ in range(10) for number in numbers(queue.dequeue(dict.fromkeys(kinds, 9), 3))]
    assert received == sorted(range(30), key=lambda number: -((number * 7) % 30))


@pytest.mark.needs(Feature.ORDER, Feature.TIME)
def test_waiting_makes_up_for_priority(place: QueuePlace) -> None:
    queue = place.queue()
    ahead = (Priority.CRITICAL - Priority.LOW) * AGEING
    queue.enqueue([draft(1, priority=Priority.LOW)])
    place.pass_time(ahead - place.tick)
    queue.enqueue([draft(2, priority=Priority.CRITICAL)])
    place.pass_time(2 * place.tick)
    queue.enqueue([draft(3, priority=Priority.CRITICAL)])
    assert numbers(take_all(queue)) == [2, 1, 3]


@pytest.mark.needs(Feature.ORDER, Feature.TIME)
def test_low_does_not_starve_below_an_endless_stream_of_critical_ones(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue(drafts([0], priority=Priority.LOW))
    queue.enqueue(drafts(range(1, 4), priority=Priority.CRITICAL))  # so that there is always a choice
    for passed in range(60):
        queue.enqueue([draft(passed + 10, priority=Priority.CRITICAL)])
        message = take_one(queue)
        queue.ack([message])
        if message.body["number"] == 0:
            break
        place.pass_time(timedelta(seconds=30))
    assert passed == 2 * (Priority.CRITICAL - Priority.LOW) + 3


@pytest.mark.needs(Feature.ORDER, Feature.TIME)
def test_a_delayed_message_takes_its_place_by_the_time_at_which_it_was_due(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft(1, delay=2 * place.tick)])
    queue.enqueue([draft(2, delay=place.tick)])
    place.pass_time(place.tick)
    queue.enqueue([draft(3)])
    place.pass_time(2 * place.tick)
    queue.enqueue([draft(4)])
    assert numbers(take_all(queue)) == [2, 3, 1, 4]


def test_a_delayed_message_is_not_received_before_its_time(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft(1, delay=3 * place.tick), draft(2)])
    assert numbers(take_all(queue)) == [2]
    place.pass_time(place.tick)
    assert take(queue) == []
    place.pass_time(2 * place.tick)
    assert numbers(take_all(queue)) == [1]


@pytest.mark.needs(Feature.TIME, Feature.DELAY)
def test_a_delay_may_be_long_and_ends_to_the_tick(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft(delay=timedelta(days=400))])
    place.pass_time(timedelta(days=400) - place.tick)
    assert take(queue) == []
    place.pass_time(place.tick)
    assert numbers(take(queue)) == [0]


@pytest.mark.needs(Feature.ORDER)
def test_a_message_that_was_put_back_keeps_its_place(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue(drafts(range(3)))
    first = take_one(queue)
    assert queue.nack([first]) == []
    assert numbers(take_all(queue)) == [0, 1, 2]


@pytest.mark.needs(Feature.ORDER, Feature.TIME)
def test_a_message_that_was_put_back_for_later_keeps_its_place(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue(drafts([1]))
    place.pass_time(place.tick)
    queue.enqueue(drafts([2, 3]))
    first = take_one(queue)
    assert queue.nack([first], place.tick) == []
    assert numbers(take(queue, 1)) == [2]
    place.pass_time(2 * place.tick)
    queue.enqueue(drafts([4]))
    assert numbers(take_all(queue)) == [1, 3, 4]


@pytest.mark.needs(Feature.ORDER, Feature.TIME)
def test_a_message_whose_lease_ran_out_keeps_its_place(place: QueuePlace) -> None:
    queue = place.queue(lease=2 * place.tick)
    queue.enqueue(drafts([1], priority=Priority.LOW))
    queue.enqueue(drafts([2]))
    assert numbers(take(queue, 1)) == [2]
    place.pass_time(place.tick)
    queue.enqueue(drafts([3]))
    place.pass_time(2 * place.tick)
    assert numbers(take_all(queue)) == [2, 3, 1]


@pytest.mark.needs(Feature.ORDER, Feature.TIME)
def test_those_that_cannot_go_do_not_stand_in_the_way_of_the_rest(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue(drafts(range(100), kind=OTHER_KIND, priority=Priority.CRITICAL))
    queue.enqueue(drafts(range(100, 200), delay=timedelta(hours=1), priority=Priority.CRITICAL))
    queue.enqueue(drafts([200], priority=Priority.LOW))
    assert numbers(take(queue, 1)) == [200]
