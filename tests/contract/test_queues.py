"""What every queue does: messages go in, are received by one receiver, and are done with. See also test_queue_*.py."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from queue_places import OTHER, Feature, QueuePlace
from queue_samples import KIND, OTHER_KIND, draft, drafts, numbers, take, take_all, take_one

from roundsman.message import Depth, Draft, Entered, Message
from roundsman.queues.base import Queue

ODD_BODY: dict[str, Any] = {
    "text": 'Trần Văn Ế 🐣 "quoted" \\ back\nline',
    "empty": [{}, [], "", None],
    "numbers": [0, -1, 2**53 + 1, 0.1, 1e300],
    "nested": {"a": {"b": [{"c": [True, False]}]}},
    "ключ": "значение",
}


def test_a_message_comes_out_as_it_went_in(place: QueuePlace) -> None:
    queue = place.queue()
    (entered,) = queue.enqueue([Draft(KIND, ODD_BODY, priority=7)])
    message = take_one(queue)
    assert (message.id, message.kind, message.body) == (entered.id, KIND, ODD_BODY)
    assert (message.priority, message.group, message.deliveries) == (7, None, 1)
    assert message.enqueued_at.tzinfo is not None
    assert message.enqueued_at.utcoffset() == timedelta(0)


def test_an_empty_queue_gives_nothing(place: QueuePlace) -> None:
    queue = place.queue()
    assert take(queue) == []
    assert queue.enqueue([]) == []
    assert (queue.ack([]), queue.nack([]), queue.bury([], "why"), queue.extend([])) == ([], [], [], [])


def test_the_answers_are_in_the_order_of_the_drafts(place: QueuePlace) -> None:
    queue = place.queue()
    entered = queue.enqueue(drafts(range(25)))
    assert len({one.id for one in entered}) == 25
    received = {message.body["number"]: message.id for message in take_all(queue)}
    assert [Entered(received[number]) for number in range(25)] == entered


def test_an_acked_message_is_gone(place: QueuePlace) -> None:
    queue = place.queue(lease=place.tick)
    queue.enqueue(drafts(range(3)))
    messages = take_all(queue)
    assert sorted(numbers(messages)) == [0, 1, 2]
    assert queue.ack(messages) == []
    place.pass_time(2 * place.tick)
    assert take(queue) == []


def test_a_message_under_a_lease_is_received_by_nobody_else(place: QueuePlace) -> None:
    queue, other = place.queue(), place.queue(owner=OTHER)
    queue.enqueue([draft()])
    take_one(queue)
    assert take(queue) == []
    assert take(other) == []


def test_only_what_is_wanted_is_received(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([*drafts(range(4)), *drafts(range(4, 8), kind=OTHER_KIND), draft(8, kind="unwanted")])
    received = queue.dequeue({KIND: 2, OTHER_KIND: 10}, 10)
    kinds = [message.kind for message in received]
    assert (kinds.count(KIND), kinds.count(OTHER_KIND), len(kinds)) == (2, 4, 6)
    assert sorted(numbers(take_all(queue))) == sorted({0, 1, 2, 3} - set(numbers(received)))
    assert numbers(take(queue, kinds=["unwanted"])) == [8]


def test_no_more_than_the_most_is_received(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([*drafts(range(5)), *drafts(range(5, 10), kind=OTHER_KIND)])
    assert len(queue.dequeue({KIND: 5, OTHER_KIND: 5}, 3)) == 3
    assert queue.dequeue({KIND: 5, OTHER_KIND: 5}, 0) == []
    assert queue.dequeue({KIND: 0, OTHER_KIND: 0}, 5) == []
    assert queue.dequeue({}, 5) == []


def test_a_kind_may_have_any_name(place: QueuePlace) -> None:
    queue = place.queue()
    names = ["a:b", "a b", "{c}", "a*", "тест", "a/b.c-d_e", "'; --", "%s"]
    queue.enqueue([draft(number, kind=name) for number, name in enumerate(names)])
    for number, name in enumerate(names):
        assert numbers(take(queue, kinds=[name])) == [number]


def test_a_thousand_go_in_at_once(place: QueuePlace) -> None:
    queue = place.queue()
    entered = queue.enqueue(drafts(range(1_000)))
    assert len({one.id for one in entered}) == 1_000
    messages = take_all(queue)
    assert sorted(numbers(messages)) == list(range(1_000))
    assert queue.ack(messages) == []
    assert take(queue) == []


def test_two_receivers_never_get_the_same(place: QueuePlace) -> None:
    queues = [place.queue(), place.queue(owner=OTHER)]
    queues[0].enqueue(drafts(range(300)))
    received: list[list[Message]] = [[], [], [], []]
    start = threading.Barrier(4)

    def work(queue: Queue, mine: list[Message]) -> None:
        start.wait(30)
        while some := take(queue, 7):
            mine += some
            assert queue.ack(some) == []

    run_all([threading.Thread(target=work, args=(queues[n % 2], received[n])) for n in range(4)])
    assert sorted(number for mine in received for number in numbers(mine)) == list(range(300))


def test_what_is_enqueued_by_several_threads_all_arrives(place: QueuePlace) -> None:
    queue = place.queue()
    run_all([threading.Thread(target=queue.enqueue, args=(drafts(range(n * 20, n * 20 + 20)),)) for n in range(5)])
    assert sorted(numbers(take_all(queue))) == list(range(100))


@pytest.mark.needs(Feature.UNKNOWN)
def test_what_a_queue_holds_is_known_to_it(place: QueuePlace) -> None:
    queue = place.queue()
    entered = queue.enqueue([
        draft(0), draft(1), draft(2, delay=timedelta(days=1)), draft(3, group="g"), draft(4, group="g"),
    ])  # fmt: skip
    ids = [one.id for one in entered]
    assert queue.unknown(ids) == set()
    leased, buried, *_ = take(queue, 2)
    queue.bury([buried], "broken")
    assert queue.unknown(ids) == set(), "ready, leased, delayed, held and dead ones are all held"
    queue.ack([leased])
    assert queue.unknown([*ids, "never-was", "987654321", ""]) == {leased.id, "never-was", "987654321", ""}
    assert queue.unknown([]) == set()


@pytest.mark.needs(Feature.UNKNOWN)
def test_an_id_is_never_given_twice(place: QueuePlace) -> None:
    queue = place.queue()
    seen: set[str] = set()
    for _ in range(3):
        (entered,) = queue.enqueue([draft()])
        assert entered.id not in seen
        seen.add(entered.id)
        queue.ack(take(queue))


@pytest.mark.needs(Feature.DEPTH, Feature.GROUPS)
def test_the_depth_tells_where_messages_stand(place: QueuePlace) -> None:
    queue = place.queue()
    queue.enqueue([draft(kind=OTHER_KIND)])
    place.pass_time(place.tick)
    queue.enqueue([*drafts(range(4)), draft(delay=timedelta(hours=1)), draft(group="g"), draft(group="g")])
    first, second = take(queue, 2)
    queue.bury([first], "broken")
    depth = queue.depth()
    assert depth[KIND] == Depth(ready=3, delayed=1, held=1, leased=1, dead=1, oldest=second.enqueued_at)
    assert depth[OTHER_KIND] == Depth(ready=1, oldest=second.enqueued_at - place.tick)
    assert depth.get("unheard of", Depth()) == Depth()


@pytest.mark.needs(Feature.DEPTH)
def test_the_depth_of_an_empty_queue_is_nothing(place: QueuePlace) -> None:
    queue = place.queue()
    assert dict(queue.depth()) == {}
    queue.enqueue([draft()])
    queue.ack(take(queue))
    assert queue.depth().get(KIND, Depth()) == Depth()


def test_a_queue_answers_and_names_its_place(place: QueuePlace) -> None:
    queue = place.queue()
    queue.ping()
    assert queue.name


def run_all(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_what_a_queue_can_take_is_judged_so_and_nothing_is_stored(place: QueuePlace) -> None:
    queue = place.queue()
    queue.judge([])
    queue.judge([*drafts(range(20)), Draft(KIND, ODD_BODY, priority=0, delay=timedelta(hours=1))])
    assert take(queue) == []


@pytest.mark.needs(Feature.DELAY, Feature.GROUPS, Feature.DEDUP)
def test_an_exact_queue_takes_everything(place: QueuePlace) -> None:
    everything = draft(1, body={"text": "x" * 300_000}, delay=timedelta(days=400), group="a", dedup="b")
    queue = place.queue()
    queue.judge([everything])
    (entered,) = queue.enqueue([everything])
    assert not entered.duplicate
