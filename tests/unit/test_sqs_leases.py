"""What a process remembers of SQS's messages: its leases and their end, its limits, and what was for nothing."""

from datetime import timedelta

import pytest

from roundsman.clock import ManualClock
from roundsman.message import KindLimits, Message, Rate
from roundsman.queues.sqs.duplicates import Duplicates
from roundsman.queues.sqs.lease import Lease, Leases, Returns
from roundsman.queues.sqs.letter import Letter, read_letter

LENGTH = timedelta(seconds=30)


def letter(number: int = 0, kind: str = "build", received: int = 1) -> Letter:
    return read_letter({
        "MessageId": f"id-{number}",
        "ReceiptHandle": f"handle-{number}",
        "Body": f'{{"type": "{kind}"}}',
        "Attributes": {"SentTimestamp": "1772510400000", "ApproximateReceiveCount": str(received)},
    })  # fmt: skip


def message(lease: Lease) -> Message:
    facts = lease.letter.facts
    return Message(facts.id, facts.kind, {}, facts.priority, None, 1, facts.enqueued_at, lease)


def begun(leases: Leases, number: int = 0) -> Message:
    lease = leases.begin(letter(number))
    assert isinstance(lease, Lease)
    return message(lease)


def test_a_lease_is_held_until_its_time_is_over(clock: ManualClock) -> None:
    leases = Leases(LENGTH, {}, clock)
    mine = begun(leases)
    clock.advance(LENGTH - timedelta(seconds=1))
    assert leases.still_held([mine]) == [mine]
    clock.advance(timedelta(seconds=1))
    assert leases.still_held([mine]) == []


def test_the_wall_clock_has_no_say(clock: ManualClock) -> None:
    leases = Leases(LENGTH, {}, clock)
    mine = begun(leases)
    clock.jump(timedelta(days=1))
    assert leases.still_held([mine]) == [mine]


def test_a_lease_is_prolonged_again_and_again_but_not_beyond_twelve_hours(clock: ManualClock) -> None:
    leases = Leases(timedelta(hours=1), {}, clock)
    mine = begun(leases)
    for _ in range(23):
        clock.advance(timedelta(minutes=30))
        assert leases.still_held([mine]) == [mine]
        leases.prolong([mine], clock.monotonic())
    assert timedelta(minutes=29) < leases.left(mine.lease) < timedelta(minutes=30)
    clock.advance(timedelta(minutes=30))
    assert leases.left(mine.lease) == timedelta(0)
    assert leases.still_held([mine]) == []


def test_a_fraction_of_a_second_is_a_second(clock: ManualClock) -> None:
    assert Leases(timedelta(seconds=0.2), {}, clock).seconds == 1
    assert Leases(timedelta(seconds=1.2), {}, clock).seconds == 2


def test_no_more_than_the_limit_are_held(clock: ManualClock) -> None:
    leases = Leases(LENGTH, {"build": KindLimits(concurrency=2)}, clock)
    first, _ = begun(leases, 1), begun(leases, 2)
    assert not isinstance(leases.begin(letter(3)), Lease)
    assert isinstance(leases.begin(letter(4, kind="test")), Lease), "another kind has limits of its own"
    leases.end([first])
    assert isinstance(leases.begin(letter(3)), Lease)
    clock.advance(LENGTH)
    assert isinstance(leases.begin(letter(5)), Lease), "leases that ran out make room"


def test_a_rate_is_kept_and_tells_when_there_is_more(clock: ManualClock) -> None:
    leases = Leases(LENGTH, {"build": KindLimits(rate=Rate(6, timedelta(minutes=1)))}, clock)
    for number in range(6):
        begun(leases, number)
    pause = leases.begin(letter(6))
    assert isinstance(pause, timedelta)
    assert pause.total_seconds() == pytest.approx(10)
    clock.advance(timedelta(seconds=10))
    begun(leases, 7)
    assert not isinstance(leases.begin(letter(8)), Lease)


def test_what_was_for_nothing_is_no_delivery() -> None:
    returns = Returns()
    returns.add([letter(1), letter(2), letter(1)])
    assert returns.deliveries(letter(1, received=3)) == 1
    assert returns.deliveries(letter(1, received=5)) == 3
    assert returns.deliveries(letter(3, received=4)) == 4
    assert returns.deliveries(letter(2, received=1)) == 1, "never less than this one"


def test_a_message_is_left_alone_for_longer_and_longer() -> None:
    returns = Returns()
    returns.want({"build": 0})
    pauses = []
    for _ in range(6):
        pauses.append(returns.pause(letter(1)).total_seconds())
        returns.add([letter(1)])
    assert pauses == [1, 2, 4, 8, 8, 8]


def test_a_kind_that_nobody_asks_for_is_left_alone_for_minutes() -> None:
    returns = Returns()
    returns.add([letter(1)] * 100)
    assert returns.pause(letter(1)) == timedelta(minutes=5)


def test_what_is_remembered_is_bounded() -> None:
    returns = Returns()
    returns.add([letter(number) for number in range(20_001)])
    assert returns.deliveries(letter(0, received=2)) == 2
    assert returns.deliveries(letter(1, received=2)) == 1


def test_duplicates_are_known_within_the_window_and_never_for_less_than_sqs_drops_them(clock: ManualClock) -> None:
    duplicates = Duplicates(timedelta(seconds=1), clock)
    assert duplicates.first("key", "1") == "1"
    clock.advance(timedelta(minutes=5) - timedelta(seconds=1))
    assert duplicates.first("key", "2") == "1"
    assert duplicates.first("other", "3") == "3"
    clock.advance(timedelta(seconds=1))
    assert duplicates.first("key", "4") == "4"
    duplicates.forget(["4"])
    assert duplicates.first("key", "5") == "5"
