"""Dead letters: what was given up is kept with its reason, and can be put back."""

from datetime import timedelta

import pytest
from queue_places import OTHER, Feature, QueuePlace
from queue_samples import KIND, OTHER_KIND, draft, drafts, numbers, take, take_all, take_one

from roundsman.clock import ManualClock


def test_a_buried_message_is_not_received_any_more(place: QueuePlace) -> None:
    queue = place.queue(lease=place.tick)
    queue.enqueue(drafts([1]))
    message = take_one(queue)
    assert queue.bury([message], "the input is broken") == []
    place.pass_time(2 * place.tick)
    assert take(queue) == []
    assert numbers(queue.dead()) == [1]


@pytest.mark.needs(Feature.REASONS)
def test_a_dead_letter_keeps_all_its_facts(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft(1, priority=7, group="a")])
    message = take_one(queue)
    place.pass_time(place.tick)
    queue.bury([message], "Đầu vào hỏng: “x”")
    (dead,) = queue.dead()
    assert (dead.id, dead.kind, dead.body) == (message.id, KIND, {"number": 1})
    assert (dead.priority, dead.group, dead.deliveries) == (7, "a", 1)
    assert dead.enqueued_at == message.enqueued_at
    assert dead.dead_at == message.enqueued_at + place.tick
    assert dead.reason == "Đầu vào hỏng: “x”"


def test_without_a_limit_a_message_comes_back_as_often_as_it_is_put_back(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft()])
    for deliveries in range(1, 21):
        message = take_one(queue)
        assert message.deliveries == deliveries
        queue.nack([message])
    assert queue.dead() == []


def test_a_message_that_was_put_back_too_often_is_dead(place: QueuePlace) -> None:
    queue = place.queue(max_deliveries=2)
    queue.enqueue([draft(1)])
    assert queue.nack([take_one(queue)]) == []
    assert queue.nack([take_one(queue)], place.tick) == []
    place.pass_time(2 * place.tick)
    assert take(queue) == []
    assert numbers(queue.dead()) == [1]


def test_the_last_delivery_may_still_succeed(place: QueuePlace) -> None:
    queue = place.queue(max_deliveries=2)
    queue.enqueue([draft(1)])
    queue.nack([take_one(queue)])
    assert queue.ack([take_one(queue)]) == []
    assert (take(queue), queue.dead()) == ([], [])


def test_a_message_whose_leases_ran_out_too_often_is_dead(place: QueuePlace) -> None:
    queue = place.queue(max_deliveries=2, lease=place.tick)
    queue.enqueue([draft(1)])
    for deliveries in (1, 2):
        assert take_one(queue).deliveries == deliveries
        place.pass_time(2 * place.tick)
    assert take(queue) == []
    assert numbers(queue.dead()) == [1]


@pytest.mark.needs(Feature.RELEASE)
def test_a_message_whose_receivers_died_too_often_is_dead(place: QueuePlace) -> None:
    queue, dying = place.queue(max_deliveries=1), place.queue(owner=OTHER, max_deliveries=1)
    queue.enqueue([draft(1)])
    take_one(dying)
    assert queue.release([OTHER]) == 1
    assert take(queue) == []
    assert numbers(queue.dead()) == [1]


@pytest.mark.needs(Feature.REASONS)
def test_the_reason_tells_how_often_it_was_delivered(place: QueuePlace) -> None:
    queue = place.queue(max_deliveries=3)
    queue.enqueue([draft()])
    for _ in range(3):
        queue.nack([take_one(queue)])
    (dead,) = queue.dead()
    assert dead.deliveries == 3
    assert "3" in dead.reason


@pytest.mark.needs(Feature.REASONS)
def test_the_newest_dead_letters_come_first_and_not_too_many(place: QueuePlace) -> None:
    queue = place.queue()
    for number in range(5):
        queue.enqueue([draft(number, kind=OTHER_KIND if number == 3 else KIND)])
        queue.bury([take_one(queue, kinds=[KIND, OTHER_KIND])], "broken")
        place.pass_time(place.tick)
    assert numbers(queue.dead()) == [4, 3, 2, 1, 0]
    assert numbers(queue.dead(limit=2)) == [4, 3]
    assert numbers(queue.dead(KIND)) == [4, 2, 1, 0]
    assert numbers(queue.dead(KIND, limit=2)) == [4, 2]
    assert numbers(queue.dead(OTHER_KIND)) == [3]
    assert queue.dead("unheard of") == []


def test_a_replayed_message_begins_anew(place: QueuePlace) -> None:
    queue = place.queue(max_deliveries=2)
    queue.enqueue([draft(1, priority=7)])
    for _ in range(2):
        queue.nack([take_one(queue)])
    assert queue.replay() == 1
    again = take_one(queue)
    assert (again.body, again.priority, again.deliveries) == ({"number": 1}, 7, 1)
    queue.nack([again])
    assert queue.ack([take_one(queue)]) == []
    assert queue.dead() == []
    assert queue.replay() == 0


@pytest.mark.needs(Feature.REASONS)
def test_dead_letters_are_replayed_by_their_ids(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue(drafts(range(4)))
    queue.bury(take(queue, 3), "broken")
    by_number = {letter.body["number"]: letter.id for letter in queue.dead()}
    assert queue.replay(ids=[by_number[0], by_number[2], "never-was", "987654321"]) == 2
    assert numbers(queue.dead()) == [1]
    assert queue.replay(ids=[by_number[0]]) == 0, "it is no dead letter any more"
    assert queue.replay(ids=[]) == 0, "none is not all"
    assert sorted(numbers(take_all(queue))) == [0, 2, 3]


@pytest.mark.needs(Feature.UNKNOWN)
def test_a_replayed_message_keeps_its_id(place: QueuePlace) -> None:
    queue = place.queue()
    (entered,) = queue.enqueue([draft()])
    queue.bury([take_one(queue)], "broken")
    queue.replay()
    assert queue.unknown([entered.id]) == set()
    assert take_one(queue).id == entered.id


def test_dead_letters_of_a_kind_are_replayed(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft(1), draft(2, kind=OTHER_KIND), draft(3)])
    queue.bury(take_all(queue, kinds=[KIND, OTHER_KIND]), "broken")
    assert queue.replay(kind=KIND) == 2
    assert numbers(queue.dead()) == [2]
    assert sorted(numbers(take_all(queue, kinds=[KIND, OTHER_KIND]))) == [1, 3]


@pytest.mark.needs(Feature.REASONS)
def test_ids_and_a_kind_together_mean_both(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft(1), draft(2, kind=OTHER_KIND), draft(3)])
    queue.bury(take_all(queue, kinds=[KIND, OTHER_KIND]), "broken")
    ids = [letter.id for letter in queue.dead() if letter.body["number"] != 3]
    assert queue.replay(ids=ids, kind=KIND) == 1
    assert numbers(take_all(queue)) == [1]


def test_very_many_dead_letters_are_replayed_at_once(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue(drafts(range(700)))
    while messages := take(queue, 100):
        queue.bury(messages, "broken")
    assert queue.replay() == 700
    assert sorted(numbers(take_all(queue))) == list(range(700))


@pytest.mark.needs(Feature.TIME)
def test_a_replayed_message_is_due_now_and_came_in_when_it_came_in(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft(1, delay=timedelta(hours=1))])
    place.pass_time(timedelta(hours=1))
    message = take_one(queue)
    queue.bury([message], "broken")
    place.pass_time(timedelta(days=3))
    queue.enqueue([draft(2)])
    place.pass_time(place.tick)
    queue.replay()
    waiting, again = take_all(queue)
    assert numbers([waiting, again]) == [2, 1], "it takes its place among those who came in before the replay"
    assert again.enqueued_at == message.enqueued_at


@pytest.mark.needs(Feature.REASONS, Feature.UNKNOWN)
def test_old_dead_letters_are_forgotten_the_oldest_first_and_not_too_many(
    place: QueuePlace, clock: ManualClock
) -> None:
    queue = place.queue()
    ids = []
    for number in range(6):
        kind = OTHER_KIND if number % 2 else KIND
        ids += [entered.id for entered in queue.enqueue([draft(number, kind=kind, group="a" if number < 4 else None)])]
        queue.bury([take_one(queue, kinds=[kind])], "broken")
        place.pass_time(place.tick)
    since_the_last_two = clock.now() - 2 * place.tick
    assert queue.forget(since_the_last_two, 3) == 3
    assert numbers(queue.dead()) == [5, 4, 3]
    assert queue.forget(since_the_last_two, 3) == 1
    assert queue.forget(since_the_last_two, 3) == 0
    assert numbers(queue.dead()) == [5, 4]
    assert queue.unknown(ids) == set(ids[:4])
    assert queue.replay() == 2


@pytest.mark.needs(Feature.TIME)
def test_only_dead_letters_are_forgotten(place: QueuePlace, clock: ManualClock) -> None:
    queue = place.queue()
    queue.enqueue(drafts(range(3)))
    held = take(queue, 2)
    queue.nack(held[:1])
    place.pass_time(place.tick)
    assert queue.forget(clock.now() + timedelta(days=1), 1_000) == 0
    assert queue.ack(held[1:]) == []
    assert len(take_all(queue)) == 2


@pytest.mark.needs(Feature.TIME)
def test_a_dead_letter_that_is_not_old_stays(place: QueuePlace, clock: ManualClock) -> None:
    queue = place.queue()
    queue.enqueue(drafts([1]))
    queue.bury([take_one(queue)], "broken")
    assert queue.forget(clock.now(), 1_000) == 0, "it died at this moment, not before"
    assert numbers(queue.dead()) == [1]


@pytest.mark.needs(Feature.REASONS, Feature.UNKNOWN)
def test_very_many_dead_letters_are_forgotten_at_once(place: QueuePlace, clock: ManualClock) -> None:
    queue = place.queue()
    queue.enqueue(drafts(range(2_500)))
    while messages := take(queue, 500):
        queue.bury(messages, "broken")
    place.pass_time(place.tick)
    assert queue.forget(clock.now(), 2_400) == 2_400
    assert len(queue.dead(limit=10_000)) == 100
