"""The engine when the daemon stops, when the store is away, when its thread dies, and while it lives in its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from run_bench import PATIENCE_S, Bench, Benches, Gate, go_on, workflow
from sqlalchemy import Connection

from roundsman.clock import ManualClock, SystemClock
from roundsman.errors import RoundsmanError, StoreError
from roundsman.fsm.context import RunContext
from roundsman.fsm.workflow import Next, StepResult
from roundsman.repositories.engine import Store
from roundsman.repositories.run_record import RunRecord
from roundsman.repositories.runs import RunStatus
from roundsman.runs.shift import serve_until_drained
from roundsman.scheduling.job import StopToken

SECOND = timedelta(seconds=1)


class MoodyStore(Store):
    """Can be told to be away."""

    def __init__(self, of: Store) -> None:
        super().__init__(of.options)
        self.away = False
        self.refused = threading.Event()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self._judge()
        with super().read() as connection:
            yield connection

    @contextmanager
    def write(self, prepare: Any = None) -> Iterator[Connection]:
        self._judge()
        with super().write(prepare) as connection:
            yield connection

    def _judge(self) -> None:
        if self.away and threading.current_thread() is not threading.main_thread():
            self.refused.set()
            raise StoreError("The store is away.")


def _begun(bench: Bench, gate: Gate) -> int:
    """A run whose step waits at the gate."""
    number = bench.submit()
    bench.engine.wake()
    bench.turn()
    gate.wait_for_entry()
    return number


# --- stopping ---


def test_a_halt_lets_what_is_under_way_finish_its_step_and_gives_back_the_rest(benches: Benches) -> None:
    gate = Gate()
    bench, next_daemon = benches(workflow({"first": gate.step}), size=1), benches(workflow(), owner="next")
    under_way = _begun(bench, gate)
    others = [bench.submit() for _ in range(3)]
    bench.engine._crew.account(0.001)  # so that some are claimed ahead
    bench.engine.wake()
    bench.turn()
    assert [bench.run(number).status for number in others] == [RunStatus.RUNNING] * 3
    bench.engine.halt()
    bench.turn()
    assert [bench.run(number).status for number in others] == [RunStatus.QUEUED] * 3
    assert not bench.engine.wait_idle(0)
    gate.open()
    bench.turn(PATIENCE_S)
    assert bench.engine.wait_idle(0)
    run = bench.run(under_way)
    assert (run.status, run.state, run.sequence, run.attempt, run.crashes) == (RunStatus.QUEUED, "second", 1, 0, 0)
    later = bench.submit()
    bench.engine.wake()
    bench.turn()
    assert bench.run(later).status is RunStatus.QUEUED
    next_daemon.drive()
    assert {bench.run(number).status for number in (under_way, *others, later)} == {RunStatus.COMPLETED}


def test_a_step_that_a_shutdown_cuts_off_costs_no_attempt(benches: Benches) -> None:
    entered = threading.Event()

    def first(ctx: RunContext) -> StepResult:
        entered.set()
        assert ctx.stop.wait(PATIENCE_S)
        raise ValueError("cut off")

    bench = benches(workflow({"first": first}))
    number = bench.submit()
    bench.turn()
    assert entered.wait(PATIENCE_S)
    bench.engine.halt()
    bench.engine.cancel()
    bench.drive()
    run = bench.run(number)
    assert (run.status, run.attempt, run.crashes, run.error, run.not_before) == (RunStatus.QUEUED, 0, 0, None, None)
    assert bench.depth().ready == 1


def test_a_stop_gives_back_what_a_stubborn_step_holds_and_drops_its_end(benches: Benches) -> None:
    gate = Gate()
    bench, next_daemon = benches(workflow({"first": gate.step})), benches(workflow(), owner="next")
    number = bench.submit()
    bench.engine.start()
    gate.wait_for_entry()
    bench.engine.halt()
    bench.engine.cancel()
    bench.engine.stop()
    assert not bench.engine.is_serving
    run = bench.run(number)
    assert (run.status, run.attempt, run.owner) == (RunStatus.QUEUED, 0, None)
    next_daemon.drive()
    before = bench.run(number)
    assert before.status is RunStatus.COMPLETED
    gate.open()
    bench.turn(PATIENCE_S)
    assert bench.run(number) == before


def test_a_stop_in_the_middle_of_a_call_keeps_the_call_and_ends(benches: Benches) -> None:
    store = MoodyStore(benches.store)
    called = threading.Event()
    made: list[int] = []

    def first(ctx: RunContext) -> StepResult:
        def work() -> int:
            store.away = True
            made.append(ctx.attempt)
            called.set()
            return 7

        return Next("next", {"answer": ctx.call("once", work)})

    bench, next_daemon = benches(workflow({"first": first}), store=store), benches(workflow({"first": first}))
    number = bench.submit()
    bench.engine.start()
    assert called.wait(PATIENCE_S)
    assert store.refused.wait(PATIENCE_S)
    bench.engine.halt()
    store.away = False
    bench.engine.stop()
    assert not bench.engine.is_serving
    assert [unit.name for unit in bench.units(number)][:1] == ["once"]
    next_daemon.drive()
    run = bench.run(number)
    assert (run.status, run.data, made) == (RunStatus.COMPLETED, {"answer": 7}, [1])
    store.close()


def test_a_stop_without_a_store_ends_all_the_same(sqlite_benches: Benches) -> None:
    store = MoodyStore(sqlite_benches.store)
    gate = Gate()
    bench = sqlite_benches(workflow({"first": gate.step}), store=store)
    number = bench.submit()
    bench.engine.start()
    gate.wait_for_entry()
    store.away = True
    gate.open()
    assert store.refused.wait(PATIENCE_S)
    bench.engine.stop()
    bench.engine._thread.join(PATIENCE_S)  # type: ignore[union-attr]
    assert not bench.engine.is_serving
    assert bench.run(number).status is RunStatus.RUNNING
    store.close()


def test_stopping_twice_and_before_the_start_and_starting_again(benches: Benches) -> None:
    bench = benches(workflow())
    bench.engine.stop()
    for _ in range(3):
        bench.engine.start()
        number = bench.submit()
        bench.until(lambda: bench.run(number).finished)  # noqa: B023
        assert bench.engine.ill() is None
        bench.engine.stop()
        bench.engine.stop()
    assert bench.engine.ill() == "the thread that drives runs does not live"


# --- the store is away ---


def test_what_happened_while_the_store_was_away_is_written_once_it_is_back(benches: Benches) -> None:
    store = MoodyStore(benches.store)
    gate = Gate()
    bench = benches(workflow({"first": gate.step}), store=store)
    number = bench.submit()
    bench.engine.start()
    gate.wait_for_entry()
    store.away = True
    gate.open()
    assert store.refused.wait(PATIENCE_S)
    store.refused.clear()
    bench.engine.wake()
    assert store.refused.wait(PATIENCE_S)
    assert bench.engine.ill() == "runs cannot be written: The store is away."
    store.away = False
    bench.until(lambda: bench.run(number).finished)
    run = bench.run(number)
    assert (run.status, run.attempt, [unit.attempt for unit in bench.units(number)]) == (
        RunStatus.COMPLETED, 0, [1, 1, 1],
    )  # fmt: skip
    store.close()


def test_an_idle_engine_is_well_again_once_the_store_is_back(sqlite_benches: Benches) -> None:
    store = MoodyStore(sqlite_benches.store)
    bench = sqlite_benches(workflow(), store=store)
    bench.engine.start()
    assert bench.engine.probe(PATIENCE_S)
    store.away = True
    bench.engine.wake()
    assert store.refused.wait(PATIENCE_S)
    store.away = False
    assert bench.engine.probe(PATIENCE_S)  # answered by a pass that got through
    assert bench.engine.ill() is None
    store.close()


def test_time_without_the_store_is_not_the_steps_time(sqlite_benches: Benches) -> None:
    store = MoodyStore(sqlite_benches.store)
    clock = sqlite_benches.clock
    assert isinstance(clock, ManualClock)
    called = threading.Event()

    def first(ctx: RunContext) -> StepResult:
        def work() -> None:
            called.set()
            store.away = True

        ctx.call("once", work)
        return go_on(ctx)

    bench = sqlite_benches(workflow({"first": first}, timeout=10 * SECOND), store=store)
    number = bench.submit()
    bench.engine.start()
    assert called.wait(PATIENCE_S)
    assert store.refused.wait(PATIENCE_S)
    clock.advance(20 * SECOND)
    bench.engine.wake()
    store.away = False
    bench.until(lambda: bench.run(number).finished)
    assert [unit.attempt for unit in bench.units(number)] == [1, 1, 1, 1]
    store.close()


def test_a_step_that_has_ended_is_not_given_up_because_the_store_is_away(sqlite_benches: Benches) -> None:
    clock = sqlite_benches.clock
    assert isinstance(clock, ManualClock)
    store = MoodyStore(sqlite_benches.store)
    gate = Gate()
    bench = sqlite_benches(workflow({"first": gate.step}, timeout=10 * SECOND), store=store)
    number = bench.submit()
    bench.engine.start()
    gate.wait_for_entry()
    store.away = True
    gate.open()
    assert store.refused.wait(PATIENCE_S)
    for _ in range(3):  # it passes at least twice with the end in its hands
        store.refused.clear()
        clock.advance(10 * SECOND)
        bench.engine.wake()
        assert store.refused.wait(PATIENCE_S)
    store.away = False
    bench.until(lambda: bench.run(number).finished)
    assert [(unit.sequence, unit.attempt) for unit in bench.units(number)] == [(0, 1), (1, 1), (2, 1)]
    store.close()


# --- a fault of our own ---


def test_a_thread_that_dies_is_told_of_and_not_waited_for(
    sqlite_benches: Benches, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise LookupError("a fault of our own")

    monkeypatch.setattr(RunRecord, "add_units", broken)
    bench = sqlite_benches(workflow())
    bench.submit()
    with pytest.raises(RoundsmanError, match="Runs cannot be driven: the thread that drives runs has died of Lookup"):
        serve_until_drained(bench.engine, StopToken())
    assert bench.engine.ill() == "the thread that drives runs has died of LookupError"
    assert "a fault of our own" in caplog.text


# --- in its own thread ---


def test_it_serves_until_nothing_is_due(benches: Benches) -> None:
    bench = benches(workflow(), size=2)
    numbers = [bench.submit() for _ in range(20)]
    later = bench.submit(delay=timedelta(hours=1))
    serve_until_drained(bench.engine, StopToken())
    assert {bench.run(number).status for number in numbers} == {RunStatus.COMPLETED}
    assert bench.run(later).status is RunStatus.QUEUED
    assert not bench.engine.is_serving


def test_a_run_that_another_process_submits_is_begun_at_once(benches: Benches) -> None:
    bench, elsewhere = benches(workflow()), benches(workflow(), owner="elsewhere")
    bench.engine.start()
    assert bench.engine.probe(PATIENCE_S)
    number = elsewhere.submit()
    bench.until(lambda: bench.run(number).finished)
    assert bench.run(number).status is RunStatus.COMPLETED


def test_a_retry_is_made_when_it_is_due_though_nobody_wakes_the_engine(benches: Benches) -> None:
    def first(ctx: RunContext) -> StepResult:
        if ctx.attempt < 3:
            raise ValueError("again")
        return go_on(ctx)

    soon = workflow({"first": first}, backoff=timedelta(milliseconds=50))
    at_once = workflow({"first": first}, name="at_once", backoff=timedelta(0))
    bench = benches(soon, at_once, clock=SystemClock())
    bench.engine.start()
    numbers = [bench.submit(), bench.submit(workflow="at_once")]
    bench.until(lambda: all(bench.run(number).finished for number in numbers))
    assert [bench.run(number).status for number in numbers] == [RunStatus.COMPLETED] * 2
