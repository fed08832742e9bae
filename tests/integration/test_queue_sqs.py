"""SQS beyond the contract of queues: what differs there, what others put in, and what it warns of. On moto's server."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from queue_places_sqs import SqsQueues
from queue_samples import KIND, OTHER_KIND, draft, drafts, numbers, take, take_all, take_one
from sqs_server import SqsAccount, SqsServer

from roundsman.clock import ManualClock, SystemClock
from roundsman.errors import BadInputError, QueueError
from roundsman.message import Depth, Entered, KindLimits, Message, Priority
from roundsman.queues.base import QueueOptions
from roundsman.queues.sqs import SqsPlace, SqsQueue

MINUTE = timedelta(minutes=1)
Make = Callable[..., SqsQueues]


@pytest.fixture
def account(sqs_server: SqsServer, clock: ManualClock) -> Iterator[SqsAccount]:
    with sqs_server.account() as account:
        yield account


@pytest.fixture
def make(account: SqsAccount, clock: ManualClock) -> Iterator[Make]:
    with ExitStack() as stack:
        yield lambda *, fifo=False: SqsQueues(account, clock, stack, fifo=fifo)


def open_queue(place: SqsPlace, clock: ManualClock) -> SqsQueue:
    return SqsQueue(place, QueueOptions("me"), clock)


def put(account: SqsAccount, url: str, body: Any, **attributes: str) -> None:
    """As another program does it."""
    text = body if isinstance(body, str) else json.dumps(body)
    told = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    fifo = {"MessageGroupId": "theirs", "MessageDeduplicationId": text[:9] + "x"} if url.endswith(".fifo") else {}
    account.client.send_message(QueueUrl=url, MessageBody=text, MessageAttributes=told, **fifo)


# --- what a standard queue cannot do ---


@pytest.mark.parametrize(("facts", "what"), [({"group": "a"}, "group 'a'"), ({"dedup": "d"}, "dedup key 'd'")])
def test_groups_and_duplicates_need_a_fifo_queue_and_nothing_is_stored(
    make: Make, facts: dict[str, str], what: str
) -> None:
    queue = make().queue()
    with pytest.raises(BadInputError, match=f"{what}, which needs a FIFO queue"):
        queue.enqueue([draft(1), draft(2, **facts)])
    assert take(queue) == []


def test_a_delay_beyond_the_retention_is_refused(account: SqsAccount, clock: ManualClock) -> None:
    url = account.make_queue(fifo=False, MessageRetentionPeriod="86400")
    queue = open_queue(account.place(url), clock)
    with pytest.raises(BadInputError, match="keeps nothing longer than 1 day"):
        queue.enqueue([draft(delay=timedelta(days=1))])
    queue.enqueue([draft(delay=timedelta(hours=23))])
    assert queue.depth()["*"] == Depth(delayed=1)


def test_what_this_queue_can_never_take_is_known_before_anything_is_sent(
    account: SqsAccount, clock: ManualClock
) -> None:
    url = account.make_queue(fifo=False, MessageRetentionPeriod="86400", MaximumMessageSize="2048")
    queue = open_queue(account.place(url), clock)
    fine = [draft(1), draft(2, delay=timedelta(hours=23)), draft(3, body={"text": "x" * 1_500})]
    queue.judge(fine)
    impossible = {
        "group 'a', which needs a FIFO queue": draft(group="a"),
        "dedup key 'd', which needs a FIFO queue": draft(dedup="d"),
        "delay of 1 day, 0:00:00, but the queue keeps nothing longer": draft(delay=timedelta(days=1)),
        "bytes, but the queue takes 2048": draft(body={"text": "x" * 2_000}),
        "cannot be written as JSON": draft(body={"number": float("nan")}),
    }
    for words, one in impossible.items():
        with pytest.raises(BadInputError, match=words):
            queue.judge([*fine, one])


@pytest.mark.parametrize("fifo", [False, True])
def test_what_is_too_large_is_refused(make: Make, fifo: bool) -> None:
    queue = make(fifo=fifo).queue()
    with pytest.raises(BadInputError, match=f"of the kind '{KIND}' .* bytes, but the queue takes 1048576"):
        queue.enqueue([draft(0), draft(1, body={"text": "x" * 1_048_500})])
    assert take(queue) == []
    queue.enqueue([draft(1, body={"text": "x" * 1_048_000})])


def test_large_ones_go_in_smaller_batches(make: Make) -> None:
    queue = make().queue()
    queue.enqueue([draft(number, body={"number": number, "text": "x" * 100_000}) for number in range(7)])
    assert sorted(numbers(take_all(queue))) == list(range(7))


# --- time ---


@pytest.mark.parametrize("fifo", [False, True])
def test_a_long_delay_is_waited_for_in_pieces(make: Make, fifo: bool) -> None:
    place = make(fifo=fifo)
    queue = place.queue()
    queue.enqueue([draft(1, delay=timedelta(hours=3))])
    for _ in range(3):
        place.pass_time(59 * MINUTE)
        assert take(queue) == []
    place.pass_time(5 * MINUTE)
    message = take_one(queue)
    assert message.deliveries == 1, "to come too early is no delivery"


def test_the_most_urgent_of_a_catch_comes_first(make: Make) -> None:
    queue = make().queue()
    levels = [Priority.LOW, Priority.CRITICAL, Priority.NORMAL, Priority.HIGH]
    queue.enqueue([draft(number, priority=level) for number, level in enumerate(levels)])
    assert [message.priority for message in take(queue)] == sorted(levels, reverse=True)


def test_nobody_holds_a_message_for_more_than_twelve_hours(make: Make) -> None:
    place = make()
    queue = place.queue(lease=timedelta(hours=4))
    queue.enqueue([draft(1)])
    message = take_one(queue)
    for _ in range(3):
        place.pass_time(timedelta(hours=3, minutes=55))
        assert queue.extend([message]) == []
    place.pass_time(timedelta(minutes=16))
    assert queue.extend([message]) == [message]
    assert take_one(place.queue()).id == message.id


# --- kinds and limits ---


def test_nobody_can_reach_what_waits_nor_tell_who_receives(make: Make) -> None:
    queue = make().queue()
    (entered,) = queue.enqueue([draft(1, delay=timedelta(minutes=5))])
    assert (queue.hastens, queue.hasten([entered.id])) == (False, set())
    queue.enqueue([draft(2)])
    take_one(queue)
    assert queue.receivers() == set()
    assert queue.release(["somebody"]) == 0


def test_limits_hold_for_each_process_by_itself(make: Make) -> None:
    place = make()
    limits = {KIND: KindLimits(concurrency=2)}
    mine, other = place.queue(limits=limits), place.queue(limits=limits)
    queue = place.queue()
    queue.enqueue(drafts(range(6)))
    first = take(mine)
    assert len(first) == 2
    assert take(mine) == []
    assert len(take(other)) == 2
    mine.ack(first[:1])
    assert len(take(mine)) == 1


def test_a_patient_receiver_is_not_fed_the_same_unwanted_message_again_and_again(make: Make) -> None:
    place = make()
    queue = place.queue()
    queue.enqueue([draft(1, kind="unheard of")])
    assert queue.dequeue({KIND: 1}, 1, timedelta(seconds=0.3)) == []
    assert take(queue, kinds=["unheard of"]) == [], "it was received, and is left alone for a second"
    place.pass_time(timedelta(seconds=2))
    message = take_one(queue, kinds=["unheard of"])
    assert message.deliveries == 1, "it was not delivered to anybody yet"


def test_what_arrives_when_nobody_waits_any_more_goes_back_at_once(make: Make) -> None:
    place = make()
    queue, other = place.queue(clock=SystemClock()), place.queue()
    waiter = threading.Thread(target=queue.dequeue, args=({KIND: 1}, 1, timedelta(seconds=20)))
    waiter.start()
    queue.ping()  # so that the poll is under way, most likely; the test holds either way
    queue.close()
    waiter.join(10)
    assert not waiter.is_alive()
    other.enqueue([draft(1)])
    received = other.dequeue({KIND: 1}, 1, timedelta(seconds=10))
    assert numbers(received) == [1]


def test_a_receiver_that_went_away_while_it_waited_takes_nothing(make: Make, account: SqsAccount) -> None:
    place = make()
    with pytest.raises(ReadTimeoutError):
        account.receive_and_go_away(place.place.queue_url)
    queue = place.queue()
    queue.enqueue([draft(1)])
    assert numbers(queue.dequeue({KIND: 1}, 1, timedelta(seconds=10))) == [1]


# --- groups ---


def test_what_one_call_brought_of_a_group_comes_back_in_its_order_when_the_receiver_has_died(
    make: Make, account: SqsAccount
) -> None:
    queues = make(fifo=True)
    queue = queues.queue()
    queue.enqueue(drafts(range(4), group="a"))
    held = account.client.receive_message(QueueUrl=queues.place.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=30)
    assert len(held["Messages"]) == 4
    queues.pass_time(timedelta(seconds=31))
    received = []
    while messages := take(queue):
        received += numbers(messages)
        queue.ack(messages)
    assert received == [0, 1, 2, 3]


# --- duplicates ---


def test_a_duplicate_of_this_process_is_told_its_first_id(make: Make) -> None:
    place = make(fifo=True)
    queue = place.queue()
    (first,) = queue.enqueue([draft(1, dedup="a")])
    assert queue.enqueue([draft(2, dedup="a"), draft(3, dedup="b")])[0] == Entered(first.id, duplicate=True)
    place.pass_time(6 * MINUTE)
    (again,) = queue.enqueue([draft(4, dedup="a")])
    assert not again.duplicate
    assert sorted(numbers(take_all(queue))) == [1, 3, 4]


def test_a_duplicate_of_another_process_is_dropped_by_sqs(make: Make) -> None:
    place = make(fifo=True)
    place.queue().enqueue([draft(1, dedup="a")])
    other = place.queue()
    other.enqueue([draft(2, dedup="a")])
    assert numbers(take_all(other)) == [1]


def test_where_duplicates_are_looked_for_within_groups_those_of_one_key_share_theirs(
    account: SqsAccount, clock: ManualClock
) -> None:
    url = account.make_queue(fifo=True, DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    for _ in range(2):
        open_queue(account.place(url), clock).enqueue([draft(dedup="a"), draft(dedup="b"), draft(group="g", dedup="c")])
    queue = open_queue(account.place(url), clock)
    groups = sorted(message.lease.letter.sqs_group for message in take_all(queue))
    assert len(set(groups)) == len(groups) == 3
    assert groups[2] == "g"
    assert {len(group) for group in groups[:2]} == {64}, "the digests of their keys"


# --- what other programs put in ---


def test_the_agents_messages_are_received(make: Make, account: SqsAccount) -> None:
    place = make()
    put(account, place.place.queue_url, {"type": "agent_run", "data": {"runId": "r1"}, "priority": 1})
    put(account, place.place.queue_url, {"id": "m", "data": {"type": "agent_run", "projectId": "p"}, "priority": 0})
    received = take(place.queue(), kinds=["agent_run"])
    assert sorted((json.dumps(message.body), message.priority) for message in received) == [
        ('{"runId": "r1"}', 1), ('{"type": "agent_run", "projectId": "p"}', 5),
    ]  # fmt: skip


@pytest.mark.parametrize("fifo", [False, True])
def test_what_nobody_understands_is_buried_with_its_reason_and_hurts_nobody(
    make: Make, account: SqsAccount, fifo: bool
) -> None:
    place = make(fifo=fifo)
    queue = place.queue()
    put(account, place.place.queue_url, "hello", trace="abc")
    put(account, place.place.queue_url, {"data": {"no": "kind"}})
    queue.enqueue([draft(1)])
    assert numbers(take_all(queue)) == [1]
    letters = queue.dead()
    assert sorted(letter.reason for letter in letters) == [
        "it cannot be read: it tells no kind: neither `kind` nor `type`, nor one of them in `data`",
        "it cannot be read: its JSON is broken (JSONDecodeError)",
    ]
    assert {"text": "hello"} in [letter.body for letter in letters]
    (raw,) = (
        one for one in account.client.receive_message(
            QueueUrl=place.place.dead_letter_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )["Messages"] if one["Body"] == "hello"
    )  # fmt: skip
    assert raw["MessageAttributes"]["trace"]["StringValue"] == "abc", "and it is all still there"


def test_what_can_neither_be_read_nor_put_away_is_left_aside(
    account: SqsAccount, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    account.pass_time(clock.now() - datetime.now(UTC))
    url = account.make_queue(fifo=False)
    queue = open_queue(account.place(url), clock)
    put(account, url, "hello")
    assert take(queue) == []
    assert "set SQS_DEAD_LETTER_URL" in caplog.text
    for span in (timedelta(hours=11), timedelta(minutes=50)):
        account.pass_time(span)
        caplog.clear()
        assert take(queue) == []
        assert caplog.text == ""


# --- dead letters ---


def test_the_redrive_policy_names_the_place_of_dead_letters(account: SqsAccount, clock: ManualClock) -> None:
    dead = account.make_queue(fifo=False)
    policy = json.dumps({"deadLetterTargetArn": account.arn(dead), "maxReceiveCount": 100})
    queue = open_queue(account.place(account.make_queue(fifo=False, RedrivePolicy=policy)), clock)
    queue.enqueue([draft(1)])
    queue.bury([take_one(queue)], "broken")
    assert [letter.reason for letter in queue.dead()] == ["broken"]
    assert queue.depth()["*"] == Depth(dead=1)


def test_without_a_place_for_dead_letters_the_setting_is_named_and_the_message_stays(
    account: SqsAccount, clock: ManualClock
) -> None:
    queue = open_queue(account.place(account.make_queue(fifo=False)), clock)
    queue.enqueue([draft(1)])
    message = take_one(queue)
    for call in (lambda: queue.bury([message], "broken"), queue.dead, queue.replay):
        with pytest.raises(QueueError, match="no place for dead letters: set SQS_DEAD_LETTER_URL"):
            call()
    assert queue.nack([message]) == []
    assert numbers(take(queue)) == [1]


def test_what_sqs_itself_gave_up_is_a_dead_letter_and_can_be_replayed(account: SqsAccount, clock: ManualClock) -> None:
    dead = account.make_queue(fifo=False)
    policy = json.dumps({"deadLetterTargetArn": account.arn(dead), "maxReceiveCount": 1})
    queue = open_queue(account.place(account.make_queue(fifo=False, RedrivePolicy=policy)), clock)
    (entered,) = queue.enqueue([draft(1, priority=7)])
    queue.nack([take_one(queue)])
    assert take(queue) == []
    (letter,) = queue.dead()
    assert (letter.id, letter.kind, letter.priority) == (entered.id, KIND, 7)
    assert "SQS moved it here itself" in letter.reason
    assert queue.replay() == 1
    assert take_one(queue).deliveries == 1


def test_looking_at_dead_letters_leaves_them_there(make: Make) -> None:
    queue = make().queue()
    queue.enqueue(drafts(range(25)))
    queue.bury(take_all(queue), "broken")
    for _ in range(3):
        assert sorted(numbers(queue.dead())) == list(range(25))


def test_foreign_messages_come_back_from_the_dead_as_they_were(make: Make, account: SqsAccount) -> None:
    place = make()
    queue = place.queue()
    body = {"type": "agent_run", "data": {"runId": "r1"}, "priority": 3}
    put(account, place.place.queue_url, body, trace="abc")
    first = take_one(queue, kinds=["agent_run"])
    queue.bury([first], "broken")
    queue.replay()
    again = take_one(queue, kinds=["agent_run"])
    assert (again.id, again.body, again.priority) == (first.id, {"runId": "r1"}, 3)
    assert again.lease.letter.others["trace"]["StringValue"] == "abc"


# --- looking ---


def test_the_depth_is_of_all_kinds_together(make: Make) -> None:
    queue = make().queue()
    queue.enqueue([*drafts(range(4)), draft(kind=OTHER_KIND), draft(delay=MINUTE)])
    first, _ = take(queue, 2)
    queue.bury([first], "broken")
    assert queue.depth() == {"*": Depth(ready=3, delayed=1, leased=1, dead=1)}


def test_only_of_an_empty_queue_and_after_a_while_messages_are_surely_unknown(make: Make) -> None:
    place = make()
    queue = place.queue()
    (entered,) = queue.enqueue([draft(1)])
    place.pass_time(3 * MINUTE)
    assert queue.unknown([entered.id, "never-was"]) == set(), "something is there, nobody knows what"
    queue.ack(take(queue))
    assert queue.unknown([entered.id]) == {entered.id}
    queue.enqueue([draft(2)])
    queue.ack(take(queue))
    assert queue.unknown([entered.id]) == set(), "the counts of SQS may be behind by a minute"


# --- traits ---


@pytest.mark.parametrize(("receives", "warned"), [(3, True), (9, True), (10, False), (1000, False)])
def test_a_redrive_policy_that_gives_up_soon_is_warned_of_once(
    account: SqsAccount, clock: ManualClock, caplog: pytest.LogCaptureFixture, receives: int, warned: bool
) -> None:
    dead = account.make_queue(fifo=False)
    policy = json.dumps({"deadLetterTargetArn": account.arn(dead), "maxReceiveCount": receives})
    queue = open_queue(account.place(account.make_queue(fifo=False, RedrivePolicy=policy)), clock)
    for _ in range(3):
        assert take(queue) == []
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == (1 if warned else 0)
    assert all(f"after {receives} receives" in text and "maxReceiveCount" in text for text in warnings)


def test_a_queue_without_a_place_for_dead_letters_is_warned_of_once(
    account: SqsAccount, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    url = account.make_queue(fifo=False)
    named, unnamed = open_queue(account.place(url, account.make_queue(fifo=False)), clock), account.place(url)
    assert take(named) == []
    assert caplog.text == ""
    queue = open_queue(unnamed, clock)
    for _ in range(3):
        assert take(queue) == []
    assert caplog.text.count("has no place for dead letters") == 1
    assert "set SQS_DEAD_LETTER_URL" in caplog.text


def test_it_is_told_that_the_queues_own_visibility_timeout_does_not_matter(
    account: SqsAccount, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    queue = open_queue(account.place(account.make_queue(fifo=False, VisibilityTimeout="900")), clock)
    take(queue)
    take(queue)
    assert caplog.text.count("(900 s) does not matter: each receive asks for 30 s") == 1


# --- the library ---


def test_the_library_is_not_imported_before_a_call() -> None:
    script = (
        "import sys; from datetime import UTC, datetime; from roundsman.clock import SystemClock\n"
        "from roundsman.queues.base import QueueOptions; from roundsman.queues.sqs import SqsPlace, SqsQueue\n"
        "SqsQueue(SqsPlace('https://sqs.eu-central-1.amazonaws.com/1/q'), QueueOptions('me'), SystemClock())\n"
        "print([name for name in sys.modules if name.startswith(('boto', 'urllib3', 's3transfer'))])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_its_debug_lines_are_not_heard(
    make: Make, account: SqsAccount, caplog: pytest.LogCaptureFixture, clock: ManualClock
) -> None:
    caplog.set_level(logging.DEBUG)
    queue = make().queue()
    queue.enqueue([draft(1)])
    queue.ack(take(queue))
    assert "botocore" not in {record.name.partition(".")[0] for record in caplog.records}
    assert account.key not in caplog.text
    assert "AWS4-HMAC" not in caplog.text


def test_a_place_does_not_show_its_keys() -> None:
    place = SqsPlace("https://sqs.eu-central-1.amazonaws.com/1/q", None, "r", None, "AKIAKEY", "SECRET", "TOKEN")
    assert not any(text in repr(place) for text in ("AKIAKEY", "SECRET", "TOKEN"))


def test_each_message_is_received_once_by_threads_that_share_a_queue(make: Make) -> None:
    queue = make().queue(clock=SystemClock())
    queue.enqueue(drafts(range(60)))
    found: list[Message] = []

    def work() -> None:
        while some := queue.dequeue({KIND: 5}, 5, timedelta(seconds=1)):
            found.extend(some)
            queue.ack(some)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(numbers(found)) == list(range(60))
