"""Runs that wait for a time, for an event from outside, for a person; that are paused, resumed and cancelled."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from run_bench import PATIENCE_S, Bench, Benches, Gate, workflow

from roundsman.fsm.context import RunContext
from roundsman.fsm.workflow import Next, Retry, Step, StepResult, WaitFor, WaitUntil, review
from roundsman.repositories.run_record import UnitKind
from roundsman.repositories.runs import RunStatus
from roundsman.runs.interventions import RunBusyError
from roundsman.scheduling.job import StopReason

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def _waits(result: Callable[[RunContext], StepResult]) -> tuple[list[int], Step]:
    """A step that returns this, and how often it was called."""
    called: list[int] = []

    def first(ctx: RunContext) -> StepResult:
        called.append(ctx.attempt)
        return result(ctx)

    return called, first


def _units(bench: Bench, number: int) -> list[tuple[int, UnitKind, str, str | None]]:
    return [(unit.sequence, unit.kind, unit.name, unit.target) for unit in bench.units(number)]


def test_a_time_ends_a_wait_without_the_step_being_called_again(benches: Benches) -> None:
    called, first = _waits(lambda ctx: WaitUntil(ctx.clock.now() + HOUR, "late", {"asked": True}))
    bench = benches(workflow({"first": first}))
    number = bench.submit()
    bench.drive()
    run = bench.run(number)
    assert (run.status, run.not_before, run.data) == (RunStatus.WAITING, bench.clock.now() + HOUR, {"asked": True})
    bench.pass_time(HOUR - SECOND)
    bench.drive()
    assert bench.run(number).status is RunStatus.WAITING
    bench.pass_time(SECOND)
    bench.drive()
    run = bench.run(number)
    assert (run.status, run.on_time, run.not_before, called) == (RunStatus.COMPLETED, None, None, [1])
    assert _units(bench, number)[:2] == [
        (0, UnitKind.STEP, "first", None), (1, UnitKind.TIMER, "late", "second"),
    ]  # fmt: skip


def test_an_event_from_outside_ends_a_wait_with_what_it_brings(benches: Benches) -> None:
    called, first = _waits(lambda _: review({"draft": 1}))
    bench = benches(workflow({"first": first}))
    number = bench.submit()
    bench.drive()
    run = bench.run(number)
    assert (run.status, run.awaits, bench.queue.depth()) == (RunStatus.WAITING, ["approve", "reject"], {})
    assert bench.people.signal(number, "approve", {"by": "Mai"}) == "second"
    bench.drive()
    run = bench.run(number)
    assert (run.status, run.data, called) == (RunStatus.COMPLETED, {"draft": 1, "approve": {"by": "Mai"}}, [1])
    assert _units(bench, number)[1] == (1, UnitKind.SIGNAL, "approve", "second")


def test_an_event_may_end_the_run_at_once(benches: Benches) -> None:
    bench = benches(workflow({"first": _waits(lambda _: review())[1]}))
    number = bench.submit()
    bench.drive()
    assert bench.people.signal(number, "reject") == "refused"
    run = bench.run(number)
    assert (run.status, run.finished_at) == (RunStatus.CANCELLED, bench.clock.now())
    assert run.expires_at == bench.clock.now() + timedelta(days=1)


@pytest.mark.parametrize("group", [None, "lab"])
def test_a_wait_with_a_time_ends_by_whichever_comes_first(benches: Benches, group: str | None) -> None:
    def waits(ctx: RunContext) -> StepResult:
        return WaitFor(("approve",), ctx.clock.now() + HOUR, "late")

    bench = benches(workflow({"first": _waits(waits)[1]}))
    signalled = bench.submit(group=group)
    timed = bench.submit(group=None if group is None else "other")
    bench.drive()
    bench.people.signal(signalled, "approve")
    bench.drive()
    assert bench.run(signalled).status is RunStatus.COMPLETED
    assert bench.run(timed).status is RunStatus.WAITING
    bench.pass_time(HOUR)
    bench.drive()
    assert bench.run(timed).status is RunStatus.COMPLETED
    assert [unit.name for unit in bench.units(signalled)][1] == "approve"
    assert [unit.name for unit in bench.units(timed)][1] == "late"
    assert bench.queue.depth() == {}
    with pytest.raises(RunBusyError, match="is completed and waits for no event"):
        bench.people.signal(timed, "approve")


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (WaitUntil(datetime(2026, 1, 1), "late"), "first: waits until 2026-01-01 00:00:00, a time without a zone"),
        (WaitUntil("soon", "late"), "first: waits until 'soon', which is no time"),  # type: ignore[arg-type]
        (WaitUntil(None, "late"), "first: waits until None, which is no time"),  # type: ignore[arg-type]
        (
            WaitUntil(datetime.max.replace(tzinfo=timezone(-HOUR)), "late"),
            "first: waits until 9999-12-31 23:59:59.999999-01:00, which is beyond all times in UTC",
        ),
        (WaitFor("approve"), "first: waits for 'approve'; name the events as a tuple"),  # type: ignore[arg-type]
        (WaitFor(()), "first: waits for events without naming any"),
        (WaitFor(("",)), "first: state 'first': the event '' has no meaning"),
        (WaitFor(("fly",)), "first: state 'first': the event 'fly' has no meaning"),
        (Next("next", [1]), "first: its patch is list, not a mapping"),  # type: ignore[arg-type]
        (Next("next", {"a": {1}}), "first: its patch cannot be stored as JSON"),
        (Next("fly"), "first: state 'first': the event 'fly' has no meaning"),
        (None, "first: returned NoneType; a step returns Next, WaitUntil or WaitFor"),
    ],
)
def test_a_result_that_makes_no_sense_fails_the_run_in_words(sqlite_benches: Benches, result: Any, words: str) -> None:
    bench = sqlite_benches(workflow({"first": _waits(lambda _: result)[1]}))
    number = bench.submit()
    bench.drive()
    run = bench.run(number)
    assert (run.status, run.state) == (RunStatus.FAILED, "first")
    assert run.error is not None
    assert run.error.startswith(words)


def test_a_wait_for_the_end_of_all_times_is_a_wait(benches: Benches) -> None:
    end = datetime.max.replace(tzinfo=timezone.utc)  # noqa: UP017
    bench = benches(workflow({"first": _waits(lambda _: WaitFor(("approve",), end, "late"))[1]}))
    number = bench.submit()
    bench.drive()
    assert bench.run(number).status is RunStatus.WAITING
    bench.people.signal(number, "approve")
    bench.drive()
    assert bench.run(number).status is RunStatus.COMPLETED


# --- paused ---


def _pause_and_see_nothing_happen(bench: Bench, number: int) -> None:
    bench.people.pause(number)
    before = bench.run(number)
    assert before.status is RunStatus.PAUSED
    bench.drive()
    assert bench.run(number) == before


def test_a_queued_run_is_paused_and_resumed(benches: Benches) -> None:
    bench = benches(workflow())
    number = bench.submit()
    _pause_and_see_nothing_happen(bench, number)
    bench.people.resume(number)
    bench.drive()
    assert bench.run(number).status is RunStatus.COMPLETED
    assert bench.queue.depth() == {}


def test_a_run_that_waits_is_paused_and_resumed_where_it_was(benches: Benches) -> None:
    bench = benches(workflow({"first": _waits(lambda _: review())[1]}))
    number = bench.submit()
    bench.drive()
    _pause_and_see_nothing_happen(bench, number)
    with pytest.raises(RunBusyError, match=r"is paused.*'approve' was not taken"):
        bench.people.signal(number, "approve")
    bench.people.resume(number)
    assert (bench.run(number).status, bench.run(number).awaits) == (RunStatus.WAITING, ["approve", "reject"])
    bench.people.signal(number, "approve")
    bench.drive()
    assert bench.run(number).status is RunStatus.COMPLETED


def test_a_time_that_comes_during_a_pause_counts_after_it(benches: Benches) -> None:
    bench = benches(workflow({"first": _waits(lambda ctx: WaitUntil(ctx.clock.now() + HOUR, "late"))[1]}))
    number = bench.submit()
    bench.drive()
    _pause_and_see_nothing_happen(bench, number)
    bench.pass_time(2 * HOUR)
    bench.drive()
    assert bench.run(number).status is RunStatus.PAUSED
    assert bench.queue.depth() == {}
    bench.people.resume(number)
    bench.drive()
    assert bench.run(number).status is RunStatus.COMPLETED


def test_a_run_whose_holder_died_as_its_time_had_come_goes_on_after_a_pause(benches: Benches) -> None:
    bench = benches(workflow({"first": _waits(lambda ctx: WaitUntil(ctx.clock.now() + HOUR, "late"))[1]}))
    number = bench.submit()
    bench.drive()
    bench.pass_time(HOUR)
    with bench.store.write() as connection:  # claimed, and then its process dies
        bench.claims.claim(connection, [number], bench.clock.now())
        bench.claims.release(connection, [bench.owner], bench.clock.now(), {})
    bench.people.pause(number)
    bench.people.resume(number)
    assert bench.run(number).status is RunStatus.QUEUED
    bench.drive()
    run = bench.run(number)
    assert (run.status, [unit.kind for unit in bench.units(number)][1]) == (RunStatus.COMPLETED, UnitKind.TIMER)


@pytest.mark.parametrize(
    ("first", "state", "sequence", "attempt"),
    [
        (lambda _: Next("next"), "second", 1, 0),
        (lambda _: review(), "first", 1, 0),
    ],
)
def test_a_run_under_way_is_paused_at_the_end_of_its_step(
    benches: Benches, first: Step, state: str, sequence: int, attempt: int
) -> None:
    gate = Gate()

    def step(ctx: RunContext) -> StepResult:
        gate.pass_through()
        return first(ctx)

    bench = benches(workflow({"first": step}))
    number = bench.submit()
    bench.turn()
    gate.wait_for_entry()
    assert bench.people.pause(number) is RunStatus.RUNNING
    gate.open()
    bench.drive()
    run = bench.run(number)
    assert (run.status, run.state, run.sequence, run.attempt) == (RunStatus.PAUSED, state, sequence, attempt)
    assert (run.asked, bench.queue.depth()) == (None, {})
    bench.people.resume(number)
    bench.drive()
    if state == "first":
        bench.people.signal(number, "approve")
        bench.drive()
    assert bench.run(number).status is RunStatus.COMPLETED


def test_a_pause_is_kept_through_a_failed_attempt(benches: Benches) -> None:
    gate = Gate()

    def first(ctx: RunContext) -> StepResult:
        gate.pass_through()
        if ctx.attempt == 1:
            raise Retry("again", HOUR)
        return Next("next")

    bench = benches(workflow({"first": first}))
    number = bench.submit()
    bench.turn()
    gate.wait_for_entry()
    bench.people.pause(number)
    gate.open()
    bench.drive()
    assert (bench.run(number).status, bench.run(number).attempt) == (RunStatus.PAUSED, 1)
    bench.people.resume(number)
    bench.drive()
    assert bench.run(number).status is RunStatus.COMPLETED


def test_a_pause_is_kept_when_the_daemon_stops_or_dies(benches: Benches) -> None:
    gates = [Gate(), Gate()]

    def first(ctx: RunContext) -> StepResult:
        gates[ctx.input["gate"]].pass_through()
        ctx.stop.check()
        return Next("next")

    bench = benches(workflow({"first": first}))
    stopped, orphaned = (bench.submit({"gate": gate}) for gate in (0, 1))
    bench.turn()
    for gate in gates:
        gate.wait_for_entry()
    bench.people.pause(stopped)
    bench.people.pause(orphaned)
    with bench.store.write() as connection:
        bench.claims.release(connection, [bench.owner], bench.clock.now(), {bench.owner: [orphaned]})
        connection.exec_driver_sql(
            f"UPDATE runs SET status = 'running', token = 1, asked = 'pause', owner = 'x' WHERE id = {stopped}"
        )
    bench.engine.cancel()
    for gate in gates:
        gate.open()
    bench.drive()
    for number in (stopped, orphaned):
        run = bench.run(number)
        assert (run.status, run.asked, run.state) == (RunStatus.PAUSED, None, "first")


def test_a_pause_that_is_taken_back_in_time_changes_nothing(benches: Benches) -> None:
    gate = Gate()
    bench = benches(workflow({"first": gate.step}))
    number = bench.submit()
    bench.turn()
    gate.wait_for_entry()
    bench.people.pause(number)
    bench.people.resume(number)
    gate.open()
    bench.drive()
    assert bench.run(number).status is RunStatus.COMPLETED


# --- cancelled ---


@pytest.mark.parametrize("stage", ["queued", "delayed", "paused", "waiting for an event", "waiting for a time"])
def test_a_run_is_cancelled_wherever_it_stands(benches: Benches, stage: str) -> None:
    def first(ctx: RunContext) -> StepResult:
        return review() if stage == "waiting for an event" else WaitUntil(ctx.clock.now() + HOUR, "late")

    bench = benches(workflow({"first": first}), sinks=("test",))
    number = bench.submit(delay=HOUR if stage == "delayed" else timedelta(0))
    if "waiting" in stage:
        bench.drive()
    if stage == "paused":
        bench.people.pause(number)
    bench.people.cancel(number)
    run = bench.run(number)
    assert (run.status, run.finished_at, run.awaits) == (RunStatus.CANCELLED, bench.clock.now(), None)
    bench.pass_time(2 * HOUR)
    bench.drive()
    assert bench.run(number) == run
    assert bench.queue.depth() == {}
    with pytest.raises(RunBusyError, match="is cancelled already"):
        bench.people.cancel(number)


def test_the_step_of_a_cancelled_run_is_told_to_stop_and_what_it_did_is_dropped(benches: Benches) -> None:
    gate = Gate()
    reasons: list[StopReason | None] = []

    def first(ctx: RunContext) -> StepResult:
        gate.entered.set()
        assert ctx.stop.wait(PATIENCE_S)
        reasons.append(ctx.stop.reason)
        ctx.log.warning("on")
        return Next("next", {"late": True})

    bench = benches(workflow({"first": first}))
    number = bench.submit()
    bench.turn()
    gate.wait_for_entry()
    assert bench.people.cancel(number) is RunStatus.RUNNING
    bench.pass_time(SECOND)
    bench.drive()
    run = bench.run(number)
    assert (run.status, run.state, run.data, run.owner) == (RunStatus.CANCELLED, "first", {}, None)
    assert (reasons, bench.units(number), bench.lines(number)) == ([StopReason.CANCELLED], [], [])
    assert bench.queue.depth() == {}


def test_a_cancelled_run_that_is_removed_while_its_step_still_talks_stops_nobody(benches: Benches) -> None:
    gate, said = Gate(), threading.Event()

    def first(ctx: RunContext) -> StepResult:
        gate.pass_through()
        ctx.log.warning("too late")
        ctx.progress(80)
        said.set()
        assert ctx.stop.wait(PATIENCE_S)
        return Next("next")

    bench = benches(workflow({"first": first}, kept_for=timedelta(0)))
    number = bench.submit()
    bench.turn()
    gate.wait_for_entry()
    bench.people.cancel(number)
    with bench.store.write() as connection:
        assert bench.runs.prune(connection, bench.clock.now(), limit=10) == 1
    gate.open()
    assert said.wait(PATIENCE_S)
    bench.pass_time(10 * SECOND)
    bench.drive()
    assert bench.queue.depth() == {}


def test_a_step_that_hears_nothing_of_its_cancellation_gives_its_place_away(benches: Benches) -> None:
    gate = Gate()
    bench = benches(workflow({"first": gate.step}, timeout=HOUR), workflow(name="other"), size=1)
    number = bench.submit()
    bench.turn()
    gate.wait_for_entry()
    bench.people.cancel(number)
    for _ in range(6):
        bench.pass_time(SECOND)
        bench.turn()
    other = bench.submit(workflow="other")
    bench.drive()
    assert bench.run(other).status is RunStatus.COMPLETED
    gate.open()
