"""Limits: duplicates within the window, and how many messages of a kind may be under way, and how fast."""

from datetime import timedelta

import pytest
from queue_places import OTHER, Feature, QueuePlace
from queue_samples import KIND, OTHER_KIND, draft, drafts, numbers, take, take_all, take_one

from roundsman.message import Entered, KindLimits, Rate

MINUTE = timedelta(minutes=1)

# --- duplicates ---


@pytest.mark.needs(Feature.DEDUP)
def test_a_duplicate_is_told_the_first_id_and_is_not_enqueued(place: QueuePlace) -> None:
    queue, other = place.queue(), place.queue(owner=OTHER)
    (first,) = queue.enqueue([draft(1, dedup="a")])
    assert not first.duplicate
    assert other.enqueue([draft(2, dedup="a"), draft(3)])[0] == Entered(first.id, duplicate=True)
    assert numbers(take_all(queue)) == [1, 3]


@pytest.mark.needs(Feature.DEDUP)
def test_a_duplicate_is_found_within_one_batch(place: QueuePlace) -> None:
    queue = place.queue()
    first, second, third = queue.enqueue([draft(1, dedup="a"), draft(2, dedup="a"), draft(3, dedup="b")])
    assert second == Entered(first.id, duplicate=True)
    assert not third.duplicate
    assert numbers(take_all(queue)) == [1, 3]


@pytest.mark.needs(Feature.DEDUP)
def test_keys_of_different_kinds_are_different(place: QueuePlace) -> None:
    queue = place.queue()
    entered = queue.enqueue([draft(1, dedup="a"), draft(2, dedup="a", kind=OTHER_KIND)])
    assert [one.duplicate for one in entered] == [False, False]


@pytest.mark.needs(Feature.DEDUP)
def test_a_duplicate_stays_one_when_the_first_is_done_with(place: QueuePlace) -> None:
    queue = place.queue()
    (first,) = queue.enqueue([draft(dedup="a")])
    queue.ack(take(queue))
    assert queue.enqueue([draft(dedup="a")]) == [Entered(first.id, duplicate=True)]
    assert take(queue) == []


@pytest.mark.needs(Feature.DEDUP, Feature.TIME)
def test_after_the_window_it_is_a_new_message(place: QueuePlace) -> None:
    queue = place.queue(dedup_window=10 * MINUTE)
    (first,) = queue.enqueue([draft(1, dedup="a")])
    place.pass_time(10 * MINUTE - place.tick)
    assert queue.enqueue([draft(2, dedup="a")]) == [Entered(first.id, duplicate=True)]
    place.pass_time(place.tick)  # the window is the first one's, a duplicate does not prolong it
    (second,) = queue.enqueue([draft(3, dedup="a")])
    assert not second.duplicate
    assert second.id != first.id
    assert queue.enqueue([draft(4, dedup="a")]) == [Entered(second.id, duplicate=True)]
    assert numbers(take_all(queue)) == [1, 3]


# --- concurrency ---


@pytest.mark.needs(Feature.LIMITS)
def test_no_more_than_the_limit_of_a_kind_are_under_way_over_all_receivers(place: QueuePlace) -> None:
    limits = {KIND: KindLimits(concurrency=3)}
    queue, other = place.queue(limits=limits), place.queue(owner=OTHER, limits=limits)
    queue.enqueue([*drafts(range(10)), draft(99, kind=OTHER_KIND)])
    first = take(queue, 2)
    second = take(other, 10)
    assert (numbers(first), numbers(second)) == ([0, 1], [2])
    assert take(queue) == []
    assert numbers(take(queue, kinds=[KIND, OTHER_KIND])) == [99], "another kind is not held up"
    queue.ack(first[:1])
    other.nack(second)
    assert numbers(take(other)) == [2, 3]
    assert take(queue) == []


@pytest.mark.needs(Feature.LIMITS)
def test_a_buried_message_makes_room(place: QueuePlace) -> None:
    queue = place.queue(limits={KIND: KindLimits(concurrency=1)})
    queue.enqueue(drafts([1, 2]))
    queue.bury([take_one(queue)], "broken")
    assert numbers(take(queue)) == [2]


@pytest.mark.needs(Feature.LIMITS)
def test_a_lease_that_ran_out_makes_room(place: QueuePlace) -> None:
    queue = place.queue(limits={KIND: KindLimits(concurrency=1)}, lease=2 * place.tick)
    queue.enqueue(drafts([1, 2]))
    take_one(queue)
    place.pass_time(place.tick)
    assert take(queue) == []
    place.pass_time(2 * place.tick)
    again = take(queue)
    assert (numbers(again), again[0].deliveries) == ([1], 2)


@pytest.mark.needs(Feature.LIMITS, Feature.RELEASE)
def test_a_dead_receiver_makes_room(place: QueuePlace) -> None:
    limits = {KIND: KindLimits(concurrency=2)}
    queue, dead = place.queue(limits=limits), place.queue(owner=OTHER, limits=limits)
    queue.enqueue(drafts(range(4)))
    assert len(take(dead)) == 2
    assert take(queue) == []
    queue.release([OTHER])
    assert numbers(take(queue)) == [0, 1]


@pytest.mark.needs(Feature.LIMITS)
def test_a_kind_without_room_does_not_keep_others_from_their_share(place: QueuePlace) -> None:
    queue = place.queue(limits={KIND: KindLimits(concurrency=2)})
    queue.enqueue([*drafts(range(50), priority=20), *drafts(range(50, 60), kind=OTHER_KIND)])
    received = queue.dequeue({KIND: 10, OTHER_KIND: 10}, 10)
    assert sorted(numbers(received)) == [0, 1, *range(50, 58)]


# --- rate ---


@pytest.mark.needs(Feature.LIMITS, Feature.TIME)
def test_a_rate_lets_through_what_its_bucket_holds_and_then_what_is_refilled(place: QueuePlace) -> None:
    limits = {KIND: KindLimits(rate=Rate(6, MINUTE))}
    long = timedelta(days=9)
    queue, other = place.queue(limits=limits, lease=long), place.queue(owner=OTHER, limits=limits, lease=long)
    queue.enqueue(drafts(range(40)))
    assert numbers([*take(queue, 4), *take(other, 10)]) == [0, 1, 2, 3, 4, 5]
    assert take(queue) == []
    place.pass_time(timedelta(seconds=10))
    assert numbers(take(other)) == [6], "one each ten seconds"
    place.pass_time(timedelta(seconds=9))
    assert take(queue) == []
    place.pass_time(timedelta(seconds=1))
    assert numbers(take(queue)) == [7]
    place.pass_time(timedelta(seconds=35))
    assert numbers(take(queue)) == [8, 9, 10]
    place.pass_time(timedelta(seconds=5))
    assert numbers(take(queue)) == [11], "half a token was kept"
    place.pass_time(timedelta(days=1))
    assert numbers(take(queue)) == list(range(12, 18)), "the bucket holds no more than its six"


@pytest.mark.needs(Feature.LIMITS, Feature.TIME)
def test_a_rate_of_one_kind_does_not_hold_up_another(place: QueuePlace) -> None:
    queue = place.queue(limits={KIND: KindLimits(rate=Rate(1, MINUTE))})
    queue.enqueue([*drafts(range(5), priority=20), *drafts(range(5, 8), kind=OTHER_KIND)])
    assert numbers(take(queue, kinds=[KIND, OTHER_KIND])) == [0, 5, 6, 7]
    assert take(queue, kinds=[KIND, OTHER_KIND]) == []


@pytest.mark.needs(Feature.LIMITS, Feature.TIME)
def test_looking_for_nothing_costs_no_tokens(place: QueuePlace) -> None:
    queue = place.queue(limits={KIND: KindLimits(rate=Rate(2, MINUTE))})
    for _ in range(5):
        assert take(queue) == []
    queue.enqueue(drafts(range(3)))
    assert numbers(take(queue)) == [0, 1]


@pytest.mark.needs(Feature.LIMITS, Feature.TIME)
def test_each_delivery_costs_a_token(place: QueuePlace) -> None:
    queue = place.queue(limits={KIND: KindLimits(rate=Rate(2, MINUTE))})
    queue.enqueue([draft()])
    queue.nack([take_one(queue)])
    queue.nack([take_one(queue)])
    assert take(queue) == []
    place.pass_time(MINUTE)
    assert take_one(queue).deliveries == 3


@pytest.mark.needs(Feature.LIMITS, Feature.TIME)
def test_concurrency_and_rate_hold_together(place: QueuePlace) -> None:
    queue = place.queue(limits={KIND: KindLimits(concurrency=2, rate=Rate(3, MINUTE))})
    queue.enqueue(drafts(range(10)))
    first = take(queue)
    assert numbers(first) == [0, 1]
    queue.ack(first)
    assert numbers(take(queue)) == [2]
