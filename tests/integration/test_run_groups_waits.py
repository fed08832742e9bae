"""A run that waits has not ended: its group waits with it, and goes on at once when it need not wait any more.

The same with the queue in the store and in Redis, where what is decided reaches the message after the commit.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from secrets import token_hex

import pytest
from redis_server import RedisServer
from run_bench import LEASE, Bench, Benches, go_on, workflow
from sqs_server import SqsServer

from roundsman.fsm.context import RunContext
from roundsman.fsm.workflow import Next, StepResult, WaitFor, WaitUntil
from roundsman.queues.base import Queue, QueueOptions
from roundsman.queues.redis import RedisQueue
from roundsman.queues.sqs import SqsQueue
from roundsman.repositories.runs import RunStatus
from roundsman.runs.verdict import PARKED_FOR

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LATER = timedelta(seconds=31)

Waits = Callable[[RunContext], StepResult]
WAITS: dict[str, Waits] = {
    "for an event": lambda _: WaitFor(("approve", "reject")),
    "for an event or a time": lambda ctx: WaitFor(("approve", "reject"), ctx.clock.now() + DAY, "late"),
}
ENDS: dict[str, Callable[[Bench, int], object]] = {
    "goes on": lambda bench, number: bench.people.signal(number, "approve"),
    "ends": lambda bench, number: bench.people.signal(number, "reject"),
    "is cancelled": lambda bench, number: bench.people.cancel(number),
    "is paused": lambda bench, number: bench.people.pause(number),
}


def asks(ctx: RunContext) -> StepResult:
    return WaitFor(("approve",))


def asks_if_told(ctx: RunContext) -> StepResult:
    return asks(ctx) if ctx.input else go_on(ctx)


def sleeps(ctx: RunContext) -> StepResult:
    return WaitUntil(ctx.clock.now() + DAY, "late")


@pytest.fixture(params=["store", "redis"])
def remote(request: pytest.FixtureRequest, benches: Benches) -> Iterator[Callable[[QueueOptions], Queue] | None]:
    if request.param == "store":
        yield None
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    name = f"t-{token_hex(8)}"
    yield lambda options: RedisQueue(server.url, name, options, benches.clock)
    with server.client() as client:
        for key in client.scan_iter(f"{{{name}}}:*", count=1_000):
            client.unlink(key)


class Lab:
    """A bench with an engine that lives, and a group whose first run waits."""

    def __init__(self, benches: Benches, remote: Callable[[QueueOptions], Queue] | None, waits: Waits) -> None:
        def first(ctx: RunContext) -> StepResult:
            return waits(ctx) if ctx.input.get("head") else Next("next")

        self.bench = benches(workflow({"first": first}), workflow(name="other"), remote=remote)
        self.bench.engine.start()
        self.head = self.bench.submit({"head": True}, group="lab")
        self.following = [self.bench.submit(group="lab") for _ in range(2)]
        self.until(self.head, RunStatus.WAITING)

    def until(self, number: int, status: RunStatus) -> None:
        self.bench.until(lambda: self.bench.run(number).status is status)

    def statuses(self) -> set[RunStatus]:
        return {self.bench.run(number).status for number in self.following}

    def others_pass(self) -> None:
        """What is taken after the head waits."""
        number = self.bench.submit(workflow="other")
        self.until(number, RunStatus.COMPLETED)

    def group_goes_on(self) -> None:
        for number in self.following:
            self.until(number, RunStatus.COMPLETED)
        self.bench.engine.stop()
        assert self.bench.queue.depth() == {}


@pytest.mark.parametrize("waits", WAITS.values(), ids=WAITS)
@pytest.mark.parametrize("end", ENDS)
def test_a_group_waits_with_its_first_run_and_goes_on_without_waiting_for_a_time(
    benches: Benches, remote: Callable[[QueueOptions], Queue] | None, waits: Waits, end: str
) -> None:
    lab = Lab(benches, remote, waits)
    lab.others_pass()
    assert lab.statuses() == {RunStatus.QUEUED}
    ENDS[end](lab.bench, lab.head)
    lab.group_goes_on()
    first = lab.bench.run(lab.following[0])
    head = lab.bench.run(lab.head)
    if end == "goes on":
        assert head.status is RunStatus.COMPLETED
        assert [unit.name for unit in lab.bench.units(lab.head)][:2] == ["first", "approve"]
    assert first.status is RunStatus.COMPLETED


def test_it_keeps_its_place_however_long_it_waits(benches: Benches) -> None:
    bench = benches(workflow({"first": asks_if_told}))
    head, following = bench.submit({"head": True}, group="lab"), bench.submit(group="lab")
    for _ in range(5):
        bench.drive()
        assert bench.depth().delayed == 1
        assert (bench.depth().ready, bench.depth().held) == (0, 1)
        bench.pass_time(PARKED_FOR)
    bench.people.signal(head, "approve")
    bench.drive()
    assert [bench.run(number).status for number in (head, following)] == [RunStatus.COMPLETED] * 2


def test_a_run_that_waits_without_a_group_leaves_no_message(benches: Benches) -> None:
    bench = benches(workflow({"first": asks}))
    number = bench.submit()
    bench.drive()
    assert bench.depth().delayed == 0
    bench.people.signal(number, "approve")
    bench.drive()
    assert bench.run(number).status is RunStatus.COMPLETED


def test_one_that_was_paused_takes_its_place_behind_its_group(benches: Benches) -> None:
    bench = benches(workflow({"first": asks_if_told}))
    head = bench.submit({"head": True}, group="lab")
    bench.drive()
    bench.people.pause(head)
    bench.drive()
    assert bench.queue.depth() == {}
    bench.people.resume(head)
    following = bench.submit(group="lab")
    bench.drive()
    assert [bench.run(number).status for number in (head, following)] == [RunStatus.WAITING, RunStatus.QUEUED]
    bench.people.signal(head, "approve")
    bench.drive()
    assert bench.run(following).status is RunStatus.COMPLETED


def test_one_that_came_back_from_a_pause_takes_its_turn_also_when_it_is_signalled_before(benches: Benches) -> None:
    bench = benches(workflow({"first": asks_if_told}))
    late = bench.submit({"head": True}, group="lab")
    bench.drive()
    bench.people.pause(late)
    bench.drive()
    head = bench.submit({"head": True}, group="lab")
    bench.drive()
    bench.people.resume(late)
    bench.people.signal(late, "approve")
    bench.drive()
    assert [bench.run(number).status for number in (head, late)] == [RunStatus.WAITING, RunStatus.QUEUED]
    bench.people.signal(head, "approve")
    bench.drive()
    assert [bench.run(number).status for number in (head, late)] == [RunStatus.COMPLETED] * 2
    assert bench.queue.depth() == {}


def test_a_cancelled_run_that_was_delayed_does_not_hold_its_group(
    benches: Benches, remote: Callable[[QueueOptions], Queue] | None
) -> None:
    bench = benches(workflow(), remote=remote)
    numbers = [bench.submit(group="lab", delay=delay) for delay in (DAY, timedelta(0), 2 * DAY, timedelta(0))]
    bench.people.cancel(numbers[2])
    bench.people.cancel(numbers[0])
    bench.engine.start()
    bench.until(lambda: bench.run(numbers[3]).status is RunStatus.COMPLETED)
    assert bench.run(numbers[1]).status is RunStatus.COMPLETED


def test_a_signal_whose_word_to_redis_was_lost_is_made_good_by_the_reconciler(
    benches: Benches, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"t-{token_hex(8)}"
    bench = benches(
        workflow({"first": sleeps}),
        workflow({"first": asks}, name="asking"),
        remote=lambda options: RedisQueue(redis_server.url, name, options, benches.clock),
    )
    bench.engine.start()
    head, timed = bench.submit(workflow="asking", group="lab"), bench.submit({"wait": True})
    bench.until(lambda: {bench.run(number).status for number in (head, timed)} == {RunStatus.WAITING})
    bench.run_queue.hand_over = lambda drafts: []  # type: ignore[method-assign] # as if it were killed there
    bench.people.signal(head, "approve")
    assert bench.run(head).status is RunStatus.QUEUED
    bench.clock.advance(LATER)  # type: ignore[attr-defined]
    bench.reconciler.run_once()
    bench.until(lambda: bench.run(head).status is RunStatus.COMPLETED)
    assert bench.run(timed).status is RunStatus.WAITING
    assert "1 runs were due, but their messages waited for a later time; they come now" in caplog.text


@pytest.mark.slow
def test_on_sqs_the_run_goes_on_at_once_and_its_group_when_the_message_comes(
    sqlite_benches: Benches, sqs_server: SqsServer
) -> None:
    with sqs_server.account() as account:
        place = account.place(account.make_queue(fifo=True), account.make_queue(fifo=True))
        account.pass_time(sqlite_benches.clock.now() - datetime.now(UTC))

        def remote(options: QueueOptions) -> Queue:
            return SqsQueue(place, options, sqlite_benches.clock)

        def pass_time(by: timedelta) -> None:
            sqlite_benches.clock.advance(by)  # type: ignore[attr-defined]
            account.pass_time(by)

        bench = sqlite_benches(workflow({"first": asks_if_told}), remote=remote)
        bench.engine.start()
        head, following = bench.submit({"head": True}, group="lab"), bench.submit(group="lab")
        bench.until(lambda: bench.run(head).status is RunStatus.WAITING)
        bench.people.signal(head, "approve")
        bench.until(lambda: bench.run(head).status is RunStatus.COMPLETED)
        assert bench.run(following).status is RunStatus.QUEUED
        pass_time(PARKED_FOR + LEASE)
        bench.until(lambda: bench.run(following).status is RunStatus.COMPLETED)


def test_a_group_whose_messages_were_lost_waits_again(benches: Benches, redis_server: RedisServer) -> None:
    name = f"t-{token_hex(8)}"
    bench = benches(
        workflow({"first": asks_if_told}),
        remote=lambda options: RedisQueue(redis_server.url, name, options, benches.clock),
    )
    bench.engine.start()
    head = bench.submit({"head": True}, group="lab")
    bench.until(lambda: bench.run(head).status is RunStatus.WAITING)
    bench.engine.stop()
    with redis_server.client() as client:
        for key in client.scan_iter(f"{{{name}}}:*", count=1_000):
            client.unlink(key)
    bench.clock.advance(LATER)  # type: ignore[attr-defined]
    assert bench.reconciler.run_once().sent_again == 1
    assert bench.depth().ready == 1
