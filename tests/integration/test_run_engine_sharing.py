"""Several engines on one store, and what limits and orders runs: kinds, rates, groups, priorities."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from run_bench import LEASE, PATIENCE_S, Benches, Gate, go_on, workflow

from roundsman.fsm.context import RunContext
from roundsman.fsm.workflow import Fail, Next, Retry, StepResult, WaitUntil
from roundsman.message import Priority, Rate
from roundsman.repositories.runs import RunStatus
from roundsman.runs.revival import revive

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def test_two_engines_share_the_work_and_no_step_is_done_twice(benches: Benches) -> None:
    done: list[tuple[int, str]] = []

    def step(ctx: RunContext) -> StepResult:
        done.append((ctx.run_id, ctx.state))
        return Next("next")

    flow = workflow({"first": step, "second": step, "third": step})
    one, other = benches(flow, size=3, owner="one"), benches(flow, size=3, owner="other")
    numbers = [one.submit() for _ in range(100)]
    one.engine.start()
    other.engine.start()
    one.until(lambda: sum(bench.engine.counts.get("completed", 0) for bench in (one, other)) == 100)
    assert Counter(done) == Counter((number, state) for number in numbers for state in ("first", "second", "third"))
    assert one.queue.depth() == {}


def test_a_run_whose_holder_was_away_too_long_is_somebody_elses(benches: Benches) -> None:
    gate = Gate()
    slow = benches(workflow({"first": gate.step}, timeout=HOUR), owner="slow")
    quick = benches(workflow({"first": go_on}), owner="quick")
    number = slow.submit()
    slow.turn()
    gate.wait_for_entry()
    quick.pass_time(LEASE + SECOND)
    assert quick.reconciler.run_once().freed == 1
    quick.drive()
    before = quick.run(number)
    assert (before.status, before.crashes) == (RunStatus.COMPLETED, 0)
    gate.open()
    slow.drive()
    assert (quick.run(number), [unit.name for unit in quick.units(number)]) == (before, ["go_on"] * 3)
    assert slow.queue.depth() == {}


def test_a_step_whose_run_is_somebody_elses_is_told_to_stop(benches: Benches) -> None:
    entered, stopped = threading.Event(), threading.Event()

    def first(ctx: RunContext) -> StepResult:
        if not entered.is_set():
            entered.set()
            if ctx.stop.wait(PATIENCE_S):
                stopped.set()
        return Next("next")

    slow = benches(workflow({"first": first}, timeout=HOUR), owner="slow")
    quick = benches(workflow(), owner="quick")
    slow.submit()
    slow.turn()
    assert entered.wait(PATIENCE_S)
    quick.pass_time(LEASE + SECOND)
    quick.reconciler.run_once()
    slow.engine.wake()
    slow.turn()
    assert stopped.wait(PATIENCE_S)
    slow.drive()


def test_a_run_that_comes_back_to_its_late_holder_is_driven_once_more(benches: Benches) -> None:
    gates = [Gate(), Gate()]
    begun: list[int] = []

    def first(ctx: RunContext) -> StepResult:
        gates[len(begun)].entered.set()
        begun.append(ctx.run_id)
        return gates[len(begun) - 1].step(ctx)

    bench = benches(workflow({"first": first}, timeout=HOUR, concurrency=2), size=2)
    number = bench.submit()
    bench.turn()
    gates[0].wait_for_entry()
    bench.pass_time(LEASE + SECOND)
    with bench.store.write() as connection:  # another one's reconciler; our attendant has not come to it yet
        bench.claims.release(connection, [], bench.clock.now(), {})
        bench.run_queue.release(connection, [], bench.clock.now())
    bench.engine.wake()
    bench.engine._attendant._next = float("inf")
    bench.turn()
    gates[1].wait_for_entry()
    gates[0].open()
    bench.turn(PATIENCE_S)
    assert bench.run(number).status is RunStatus.RUNNING
    gates[1].open()
    bench.drive()
    assert (bench.run(number).status, bench.run(number).crashes) == (RunStatus.COMPLETED, 0)
    assert bench.engine._crew.wanted(9) == {"sample": 2}


def test_a_run_that_kills_its_processes_is_not_begun_for_ever(benches: Benches) -> None:
    bench = benches(workflow())
    number = bench.submit()
    for _ in range(5):
        with bench.store.write() as connection:
            assert bench.claims.claim(connection, [number], bench.clock.now())
            bench.claims.release(connection, [bench.owner], bench.clock.now(), {})
    bench.drive()
    run = bench.run(number)
    assert (run.status, run.error) == (
        RunStatus.FAILED, "go_on: 5 processes died while it was under way",
    )  # fmt: skip
    assert revive(bench.store, bench.queue) == [number]
    bench.drive()
    assert bench.run(number).status is RunStatus.COMPLETED


def test_the_message_of_a_run_that_nobody_has_freed_yet_is_not_looked_at_again_and_again(benches: Benches) -> None:
    bench, gone = benches(workflow()), benches(workflow(), owner="gone")
    number = gone.submit()
    with gone.store.write() as connection:
        gone.claims.claim(connection, [number], gone.clock.now())
    bench.pass_time(LEASE)
    bench.drive()
    assert (bench.depth().delayed, bench.depth().ready) == (1, 0)
    assert bench.reconciler.run_once().freed == 1
    bench.pass_time(SECOND)
    bench.drive()
    assert bench.run(number).status is RunStatus.COMPLETED


# --- limits ---


class _Crowd:
    """A step that counts how many of it are under way at once."""

    def __init__(self, meet: int) -> None:
        self._barrier = threading.Barrier(meet, timeout=PATIENCE_S)
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def step(self, ctx: RunContext) -> StepResult:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self._barrier.wait()
        with self._lock:
            self._now -= 1
        return Next("next")


def test_no_more_runs_of_a_kind_are_under_way_than_it_allows(benches: Benches) -> None:
    crowd = _Crowd(meet=2)
    bench = benches(workflow({"first": crowd.step}, concurrency=2), size=8)
    numbers = [bench.submit() for _ in range(6)]
    bench.drive()
    assert {bench.run(number).status for number in numbers} == {RunStatus.COMPLETED}
    assert crowd.most == 2


def test_a_rate_lets_so_many_begin_in_its_time(benches: Benches) -> None:
    bench = benches(workflow(rate=Rate(2, timedelta(minutes=1))))
    numbers = [bench.submit() for _ in range(5)]
    for expected in (2, 3, 4, 5):
        bench.drive()
        assert sum(bench.run(number).finished for number in numbers) == expected
        bench.pass_time(timedelta(seconds=30))


# --- order ---


def test_the_more_urgent_go_first_and_equals_in_the_order_they_came(benches: Benches) -> None:
    order: list[int] = []

    def first(ctx: RunContext) -> StepResult:
        order.append(ctx.input["number"])
        return Next("next")

    bench = benches(workflow({"first": first}), size=1)
    priorities = [Priority.LOW, Priority.NORMAL, Priority.CRITICAL, Priority.NORMAL, Priority.HIGH]
    for number, priority in enumerate(priorities):
        bench.submit({"number": number}, priority=priority)
    bench.drive()
    assert order == [2, 4, 1, 3, 0]


def test_of_a_group_one_is_under_way_at_a_time_in_the_order_they_came(benches: Benches) -> None:
    order: list[tuple[int, str]] = []
    meet = threading.Barrier(2, timeout=PATIENCE_S)

    def step(ctx: RunContext) -> StepResult:
        if ctx.input["number"] in (0, 3):
            meet.wait()  # the groups do not wait for each other
        order.append((ctx.input["number"], ctx.state))
        return Next("next")

    bench = benches(workflow({"first": step, "second": step, "third": step}), size=4)
    for number, group in enumerate(["a", "a", "a", "b", "b"]):
        bench.submit({"number": number}, group=group)
    bench.drive()
    states = ("first", "second", "third")
    assert [each for each in order if each[0] < 3] == [(number, state) for number in range(3) for state in states]
    assert [each for each in order if each[0] >= 3] == [(number, state) for number in (3, 4) for state in states]
    assert bench.queue.depth() == {}


@pytest.mark.parametrize("end", ["completes", "fails", "is cancelled", "is paused"])
def test_a_group_goes_on_however_its_first_run_ends(benches: Benches, end: str) -> None:
    def first(ctx: RunContext) -> StepResult:
        if ctx.input.get("head") and end == "fails":
            raise Fail("at once")
        if ctx.input.get("head") and end != "completes":
            return WaitUntil(ctx.clock.now() + HOUR, "late")
        return Next("next")

    bench = benches(workflow({"first": first}))
    head = bench.submit({"head": True}, group="lab")
    following = [bench.submit(group="lab") for _ in range(2)]
    bench.drive()
    if end == "is cancelled":
        bench.people.cancel(head)
    if end == "is paused":
        bench.people.pause(head)
    bench.drive()
    assert [bench.run(number).status for number in following] == [RunStatus.COMPLETED] * 2
    if end == "is paused":
        bench.people.resume(head)
        bench.pass_time(HOUR)
        bench.drive()
        assert bench.run(head).status is RunStatus.COMPLETED


def test_a_group_waits_while_its_first_run_is_tried_again(benches: Benches) -> None:
    order: list[int] = []

    def first(ctx: RunContext) -> StepResult:
        order.append(ctx.run_id)
        if ctx.attempt == 1:
            raise Retry("again", SECOND)
        return Next("next")

    bench = benches(workflow({"first": first}))
    numbers = [bench.submit(group="lab") for _ in range(2)]
    for _ in range(3):
        bench.drive()
        bench.pass_time(SECOND)
    assert order == [numbers[0], numbers[0], numbers[1], numbers[1]]
