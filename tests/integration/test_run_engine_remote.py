"""The engine with a queue outside the store: one that is away, loses messages, brings them twice, or too early."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from run_bench import PATIENCE_S, Bench, Benches, Gate, workflow

from roundsman.clock import Clock, ManualClock
from roundsman.errors import QueueError
from roundsman.fsm.context import RunContext
from roundsman.fsm.workflow import Fail, Next, Retry, StepResult, WaitFor
from roundsman.message import Draft, Entered, Message
from roundsman.queues.base import QueueOptions
from roundsman.queues.memory import MemoryQueue
from roundsman.queues.memory_record import MemoryPlace
from roundsman.repositories.runs import RunStatus
from roundsman.runs.revival import revive
from roundsman.runs.shift import serve_until_drained
from roundsman.scheduling.job import StopToken

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
LONGEST_POLL = timedelta(milliseconds=200)
"""As if it were twenty seconds: a poll that brings nothing ends soon enough for a test."""


class MoodyQueue(MemoryQueue):
    """Shared in memory as if it were another machine's; does what the test tells it."""

    def __init__(self, options: QueueOptions, clock: Clock, place: MemoryPlace) -> None:
        super().__init__(options, clock, place)
        self.away = False
        self.refused = threading.Event()
        self.twice = False

    def _judge(self) -> None:
        if self.away:
            self.refused.set()
            raise QueueError("The queue is away.")

    def enqueue(self, drafts: Sequence[Draft]) -> list[Entered]:
        self._judge()
        if self.twice:
            super().enqueue(drafts)
        return super().enqueue(drafts)

    def dequeue(self, wanted: Mapping[str, int], most: int, wait: timedelta = timedelta(0)) -> list[Message]:
        self._judge()
        return super().dequeue(wanted, most, min(wait, LONGEST_POLL))

    def ack(self, messages: Sequence[Message]) -> list[Message]:
        self._judge()
        return super().ack(messages)

    def nack(self, messages: Sequence[Message], delay: timedelta = timedelta(0)) -> list[Message]:
        self._judge()
        return super().nack(messages, delay)

    def bury(self, messages: Sequence[Message], reason: str) -> list[Message]:
        self._judge()
        return super().bury(messages, reason)

    def ping(self) -> None:
        self._judge()

    def unknown(self, ids: Collection[str]) -> set[str]:
        self._judge()
        return super().unknown(ids)


class Far:
    """Benches whose queue is in one far place."""

    def __init__(self, benches: Benches) -> None:
        self._benches = benches
        self.place = MemoryPlace()
        self.queues: list[MoodyQueue] = []

    def __call__(self, *workflows: Any, **facts: Any) -> Bench:
        return self._benches(*workflows, remote=self._make, **facts)

    def _make(self, options: QueueOptions) -> MoodyQueue:
        self.queues.append(MoodyQueue(options, self._benches.clock, self.place))
        return self.queues[-1]

    def settles(self, holds: Callable[[], bool]) -> bool:
        """Whether the far place comes to be so."""
        with self.place.changed:
            return self.place.changed.wait_for(holds, PATIENCE_S)

    def advance(self, by: timedelta) -> None:
        """Whoever waits for a time in the far place looks again."""
        assert isinstance(self._benches.clock, ManualClock)
        with self.place.changed:
            self._benches.clock.advance(by)
            self.place.changed.notify_all()


@pytest.fixture
def far(benches: Benches) -> Far:
    return Far(benches)


def test_runs_are_driven_and_their_messages_acked(far: Far) -> None:
    bench = far(workflow())
    bench.engine.start()
    numbers = [bench.submit() for _ in range(50)]
    bench.until(lambda: all(bench.run(number).finished for number in numbers))
    assert {bench.run(number).status for number in numbers} == {RunStatus.COMPLETED}
    assert far.settles(lambda: not far.place.records)


def test_a_failed_attempt_comes_back_in_its_time_and_the_last_one_becomes_a_dead_letter(far: Far) -> None:
    def first(ctx: RunContext) -> StepResult:
        raise Retry("again", HOUR)

    bench = far(workflow({"first": first}, attempts=2))
    bench.engine.start()
    number = bench.submit()
    bench.until(lambda: bench.run(number).attempt == 1)
    assert far.settles(lambda: bench.depth().delayed == 1)
    far.advance(HOUR)
    bench.until(lambda: bench.run(number).finished)
    assert far.settles(lambda: bench.depth().dead == 1)
    (letter,) = bench.queue.dead()
    assert letter.reason == "first: again (attempt 2 of 2)"


def test_what_is_submitted_while_the_queue_is_away_is_sent_once_it_is_back(far: Far) -> None:
    bench = far(workflow())
    (queue,) = far.queues
    queue.away = True
    number = bench.submit()
    assert (bench.run(number).status, bench.run(number).message_id) == (RunStatus.QUEUED, None)
    far.advance(timedelta(minutes=1))
    assert bench.reconciler.run_once().sent_again == 0
    queue.away = False
    assert bench.reconciler.run_once().sent_again == 1
    assert bench.run(number).message_id is not None
    assert bench.reconciler.run_once().sent_again == 0
    bench.engine.start()
    bench.until(lambda: bench.run(number).finished)


def test_what_is_under_way_goes_on_while_the_queue_is_away(far: Far) -> None:
    gate = Gate()
    bench = far(workflow({"first": gate.step}))
    (queue,) = far.queues
    bench.engine.start()
    number = bench.submit()
    gate.wait_for_entry()
    queue.away = True
    gate.open()
    bench.until(lambda: bench.run(number).finished)
    assert queue.refused.wait(PATIENCE_S)  # its ack
    assert bench.engine.ill() is None
    assert len(far.place.records) == 1
    queue.away = False
    assert far.settles(lambda: not far.place.records)
    later = bench.submit()
    bench.until(lambda: bench.run(later).finished)


def test_a_queue_that_forgot_everything_gets_its_messages_again(far: Far) -> None:
    bench = far(workflow())
    numbers = [bench.submit() for _ in range(3)]
    delayed = bench.submit(delay=HOUR)
    far.place.records.clear()
    far.advance(timedelta(minutes=1))
    assert bench.reconciler.run_once().sent_again == 4
    bench.engine.start()
    bench.until(lambda: all(bench.run(number).finished for number in numbers))
    assert bench.run(delayed).status is RunStatus.QUEUED
    far.advance(HOUR)
    bench.until(lambda: bench.run(delayed).finished)


def test_messages_that_come_twice_do_nothing_twice(far: Far) -> None:
    done: list[int] = []

    def first(ctx: RunContext) -> StepResult:
        done.append(ctx.run_id)
        return Next("next")

    bench = far(workflow({"first": first}))
    far.queues[0].twice = True
    bench.engine.start()
    numbers = [bench.submit() for _ in range(20)]
    bench.until(lambda: all(bench.run(number).finished for number in numbers))
    assert sorted(done) == numbers
    far.advance(timedelta(minutes=1))  # the second of one that was under way came back when that one's lease was over
    assert far.settles(lambda: not far.place.records)


def test_a_message_that_comes_too_early_is_put_back_until_its_time(far: Far) -> None:
    bench = far(workflow())
    bench.engine.start()
    number = bench.submit(delay=HOUR)
    early = bench.queue.enqueue([Draft("sample", {"run": number})])[0].id
    assert far.settles(lambda: far.place.records[early].deliveries == 1 and bench.depth().delayed == 2)
    assert bench.run(number).status is RunStatus.QUEUED
    far.advance(HOUR)
    bench.until(lambda: bench.run(number).finished)
    assert far.settles(lambda: not far.place.records)


@pytest.mark.parametrize("body", [{}, {"run": "7"}, {"run": True}, {"run": None}])
def test_a_message_that_names_no_run_is_a_dead_letter_and_stops_nobody(far: Far, body: dict[str, Any]) -> None:
    bench = far(workflow())
    bench.engine.start()
    bench.queue.enqueue([Draft("sample", body)])
    number = bench.submit()
    bench.until(lambda: bench.run(number).finished)
    assert far.settles(lambda: bench.depth().dead == 1)
    assert bench.queue.dead()[0].reason == "it names no run"


def test_a_message_of_a_run_that_is_gone_is_done_with(far: Far) -> None:
    bench = far(workflow())
    bench.engine.start()
    bench.queue.enqueue([Draft("sample", {"run": 4711})])
    assert far.settles(lambda: not far.place.records)


def test_a_group_in_a_queue_elsewhere_hears_a_signal_before_its_time(far: Far) -> None:
    def first(ctx: RunContext) -> StepResult:
        if ctx.input.get("head"):
            return WaitFor(("approve",), ctx.clock.now() + HOUR, "late")
        return Next("next")

    bench = far(workflow({"first": first}))
    bench.engine.start()
    head, following = bench.submit({"head": True}, group="lab"), bench.submit(group="lab")
    bench.until(lambda: bench.run(head).status is RunStatus.WAITING)
    assert far.settles(lambda: bench.depth().delayed == 1)
    bench.people.signal(head, "approve")
    bench.until(lambda: bench.run(head).finished)
    bench.until(lambda: bench.run(following).finished)  # at once: the clock stands still


def test_a_kind_that_was_full_is_asked_for_again_when_it_has_room(far: Far) -> None:
    gate = Gate()
    bench = far(workflow({"first": gate.step}, concurrency=1), size=2)
    bench.engine.start()
    first = bench.submit()
    gate.wait_for_entry()
    second = bench.submit()
    bench.queue.wake()  # the poll ends with nothing, and there is no room to ask for
    assert bench.engine.probe(PATIENCE_S)
    gate.open()
    bench.until(lambda: bench.run(first).finished and bench.run(second).finished)


def test_a_halt_begins_nothing_that_was_fetched_already(far: Far) -> None:
    gate = Gate()
    bench = far(workflow({"first": gate.step}), size=1)
    bench.engine.start()
    numbers = [bench.submit() for _ in range(3)]
    gate.wait_for_entry()
    bench.engine.halt()
    assert bench.engine.probe(PATIENCE_S)
    gate.open()
    assert bench.engine.wait_idle(PATIENCE_S)
    bench.engine.stop()
    assert [bench.run(number).status for number in numbers] == [RunStatus.QUEUED] * 3
    assert [bench.run(number).state for number in numbers] == ["second", "first", "first"]
    assert far.settles(lambda: bench.depth().ready == 3)


def test_dead_letters_are_replayed_and_go_on_where_they_stand(far: Far) -> None:
    broken = True

    def second(ctx: RunContext) -> StepResult:
        if broken:
            raise Fail("no device")
        return Next("next")

    bench = far(workflow({"second": second}))
    bench.engine.start()
    number = bench.submit()
    assert far.settles(lambda: bench.depth().dead == 1)
    broken = False
    assert revive(bench.store, bench.queue) == [number]
    bench.until(lambda: bench.run(number).finished)
    assert bench.run(number).status is RunStatus.COMPLETED
    assert revive(bench.store, bench.queue) == []


def test_it_serves_until_a_queue_elsewhere_is_empty(far: Far) -> None:
    bench = far(workflow())
    numbers = [bench.submit() for _ in range(10)]
    serve_until_drained(bench.engine, StopToken())
    assert {bench.run(number).status for number in numbers} == {RunStatus.COMPLETED}
    assert far.settles(lambda: not far.place.records)


def test_stopping_before_the_start_and_twice(far: Far) -> None:
    bench = far(workflow())
    bench.engine.stop()
    for _ in range(2):
        bench.engine.start()
        number = bench.submit()
        bench.until(lambda: bench.run(number).finished)  # noqa: B023
        bench.engine.stop()
        bench.engine.stop()
