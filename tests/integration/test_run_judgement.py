"""A queue elsewhere that cannot take everything says so before anything is stored, and hurts no other run."""

import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from run_bench import Bench, Benches, go_on, workflow
from sqs_server import SqsServer

from roundsman.clock import Clock
from roundsman.errors import BadInputError
from roundsman.fsm.context import RunContext
from roundsman.fsm.workflow import Fail, StepResult, WaitFor
from roundsman.message import Draft, Entered
from roundsman.queues.base import QueueOptions
from roundsman.queues.memory import MemoryQueue
from roundsman.queues.sqs import SqsQueue
from roundsman.repositories.runs import RunStatus
from roundsman.runs.desk import Order

MINUTE = timedelta(minutes=1)
NO_GROUPS = "The queue orders of SQS takes no groups."


class Picky(MemoryQueue):
    """Takes no groups, from the moment on at which the test says so."""

    takes_groups = True
    refuses = ""

    def judge(self, drafts: Sequence[Draft]) -> None:
        if not self.takes_groups and any(draft.group for draft in drafts):
            raise BadInputError(NO_GROUPS)

    def enqueue(self, drafts: Sequence[Draft]) -> list[Entered]:
        self.judge(drafts)
        if self.refuses:
            raise BadInputError(self.refuses)
        return super().enqueue(drafts)


@pytest.fixture
def bench(benches: Benches, clock: Clock) -> Bench:
    def first(ctx: RunContext) -> StepResult:
        if ctx.input.get("waits"):
            return WaitFor(("approve",))
        if ctx.input.get("fails"):
            raise Fail("no")
        return go_on(ctx)

    return benches(workflow({"first": first}), remote=lambda options: Picky(options, clock))


def picky(bench: Bench) -> Picky:
    assert isinstance(bench.queue, Picky)
    return bench.queue


def stored(bench: Bench) -> list[int]:
    with bench.store.read() as connection:
        return [run.id for run in bench.runs.listed(connection)]


def test_nothing_of_an_order_is_stored_that_the_queue_cannot_take(bench: Bench) -> None:
    picky(bench).takes_groups = False
    with pytest.raises(BadInputError, match=NO_GROUPS):
        bench.desk.submit_all([Order("sample", {}), Order("sample", {}, group="a"), Order("sample", {})])
    assert (stored(bench), bench.queue.depth()) == ([], {})


def test_a_run_is_stored_that_only_the_service_itself_refuses(bench: Bench) -> None:
    picky(bench).refuses = "A message of the kind 'sample' was refused: no."
    answer = bench.desk.submit(Order("sample", {}))
    assert answer.unsent == picky(bench).refuses
    bench.pass_time(MINUTE)
    assert bench.reconciler.run_once().sent_again == 0
    picky(bench).refuses = ""
    assert bench.reconciler.run_once().sent_again == 1


def test_no_retry_is_stored_that_the_queue_cannot_take(bench: Bench) -> None:
    number = bench.submit({"fails": 1}, group="a")
    bench.engine.start()
    bench.until(lambda: bench.run(number).finished)
    picky(bench).takes_groups = False
    with pytest.raises(BadInputError, match=NO_GROUPS):
        bench.people.retry(number)
    assert stored(bench) == [number]


def test_a_paused_run_stays_paused_whose_message_the_queue_cannot_take(bench: Bench) -> None:
    number = bench.submit(group="a")
    assert bench.people.pause(number) is RunStatus.PAUSED
    picky(bench).takes_groups = False
    with pytest.raises(BadInputError, match=NO_GROUPS):
        bench.people.resume(number)
    assert bench.run(number).status is RunStatus.PAUSED


@pytest.mark.parametrize("hastens", [True, False])
def test_a_signal_asks_nothing_of_the_queue_that_it_can_no_longer_take(bench: Bench, hastens: bool) -> None:
    """The run has its message; where that cannot be reached, the one that passes it needs no group."""
    picky(bench).hastens = hastens
    number = bench.submit({"waits": 1}, group="a")
    bench.engine.start()
    bench.until(lambda: bench.run(number).status is RunStatus.WAITING)
    picky(bench).takes_groups = False
    bench.people.signal(number, "approve")
    bench.until(lambda: bench.run(number).status is RunStatus.COMPLETED)


def test_the_reconciler_sends_the_others_and_names_the_one_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    numbers = [bench.submit(), bench.submit(group="a"), bench.submit()]
    queue = picky(bench)
    queue.ack(queue.dequeue({"sample": 10}, 10))
    queue.takes_groups = False
    bench.pass_time(MINUTE)
    assert bench.reconciler.run_once().sent_again == 2
    assert bench.reconciler.run_once().sent_again == 0
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        f"Run {numbers[1]} cannot be sent to the queue: {NO_GROUPS}"
    ]
    assert sorted(message.body["run"] for message in queue.dequeue({"sample": 10}, 10)) == [numbers[0], numbers[2]]


@pytest.fixture
def on_sqs(sqs_server: SqsServer, sqlite_benches: Benches, clock: Clock) -> Iterator[Bench]:
    with sqs_server.account() as account:
        place = account.place(account.make_queue(fifo=False, MessageRetentionPeriod="86400"))

        def remote(options: QueueOptions) -> SqsQueue:
            return SqsQueue(place, options, clock)

        yield sqlite_benches(workflow(), remote=remote)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (Order("sample", {}, group="a"), "group 'a', which needs a FIFO queue"),
        (Order("sample", {}, delay=timedelta(days=2)), "keeps nothing longer than 1 day"),
    ],
    ids=["group", "delay"],
)
def test_what_sqs_cannot_do_is_refused_and_nothing_is_stored(on_sqs: Bench, order: Order, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        on_sqs.desk.submit_all([Order("sample", {}), order])
    assert (stored(on_sqs), on_sqs.queue.depth()) == ([], {})
    assert on_sqs.desk.submit(Order("sample", {}, dedup="key")).unsent is None, "the store sees to that"
