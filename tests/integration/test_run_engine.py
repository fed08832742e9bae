"""Runs through the engine: to the end, with what they leave behind, and again after whatever goes wrong in a step."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from run_bench import MENDING, PATIENCE_S, Benches, Gate, go_on, workflow

from roundsman.fsm.context import RunContext
from roundsman.fsm.workflow import Fail, Next, Retry, StepResult
from roundsman.repositories.run_record import UnitKind
from roundsman.repositories.runs import RunStatus

SECOND = timedelta(seconds=1)


def test_a_run_goes_through_its_steps_to_the_end(benches: Benches) -> None:
    def first(ctx: RunContext) -> StepResult:
        return Next("next", {"seen": ctx.input["number"], "both": 1})

    def second(ctx: RunContext) -> StepResult:
        return Next("next", {"both": ctx.data["both"] + 1})

    bench = benches(workflow({"first": first, "second": second}))
    number = bench.submit({"number": 7})
    bench.drive()
    run = bench.run(number)
    assert (run.status, run.state, run.data, run.progress) == (RunStatus.COMPLETED, "done", {"seen": 7, "both": 2}, 100)
    assert (run.owner, run.lease_until, run.error, run.sequence) == (None, None, None, 3)
    assert (run.started_at, run.finished_at) == (bench.clock.now(), bench.clock.now())
    assert run.expires_at == bench.clock.now() + timedelta(days=1)
    assert [(u.sequence, u.kind, u.name, u.state, u.event, u.target) for u in bench.units(number)] == [
        (0, UnitKind.STEP, "first", "first", "next", "second"),
        (1, UnitKind.STEP, "second", "second", "next", "third"),
        (2, UnitKind.STEP, "go_on", "third", "next", "done"),
    ]
    assert bench.queue.depth() == {}
    assert bench.engine.counts == {"claimed": 1, "steps": 3, "completed": 1}


def test_many_runs_go_through_several_threads_each_step_once(benches: Benches) -> None:
    done: list[tuple[int, str]] = []

    def step(ctx: RunContext) -> StepResult:
        done.append((ctx.run_id, ctx.state))
        return Next("next", {ctx.state: ctx.run_id})

    bench = benches(workflow({"first": step, "second": step, "third": step}), size=8)
    numbers = [bench.submit({"number": number}) for number in range(300)]
    bench.engine.start()
    bench.until(lambda: bench.engine.counts.get("completed") == 300)
    assert sorted(done) == sorted((number, state) for number in numbers for state in ("first", "second", "third"))
    for number in numbers:
        run = bench.run(number)
        assert (run.status, run.data) == (RunStatus.COMPLETED, {"first": number, "second": number, "third": number})
    assert bench.queue.depth() == {}


def test_a_failed_attempt_is_made_again_when_its_time_has_come_and_not_before(benches: Benches) -> None:
    attempts: list[int] = []

    def second(ctx: RunContext) -> StepResult:
        attempts.append(ctx.attempt)
        if len(attempts) < 3:
            raise Retry("not now", 10 * SECOND)
        return Next("next")

    bench = benches(workflow({"second": second}))
    number = bench.submit()
    bench.drive()
    run = bench.run(number)
    assert (run.status, run.attempt, run.error) == (RunStatus.QUEUED, 1, "second: not now")
    assert run.not_before == bench.clock.now() + 10 * SECOND
    bench.pass_time(9 * SECOND)
    bench.drive()
    assert attempts == [1]
    bench.pass_time(SECOND)
    bench.drive()
    assert attempts == [1, 2]
    bench.pass_time(10 * SECOND)
    bench.drive()
    run = bench.run(number)
    assert (attempts, run.status, run.error) == ([1, 2, 3], RunStatus.COMPLETED, None)
    assert [unit.attempt for unit in bench.units(number)] == [1, 3, 1]


def _raiser(error: BaseException) -> Callable[[RunContext], StepResult]:
    def broken(ctx: RunContext) -> StepResult:
        raise error

    return broken


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("7 is no number"), "broken: ValueError: 7 is no number"),
        (SystemExit(3), "broken: SystemExit: 3"),
        (KeyboardInterrupt(), "broken: KeyboardInterrupt: "),
    ],
)
def test_whatever_a_step_raises_costs_its_run_an_attempt_and_nobody_else_anything(
    benches: Benches, error: BaseException, words: str
) -> None:
    bench = benches(workflow({"first": _raiser(error)}, attempts=2, backoff=SECOND), workflow(name="other"))
    number, other = bench.submit(), bench.submit(workflow="other")
    bench.drive()
    assert bench.run(number).error == words
    bench.pass_time(2 * SECOND)
    bench.drive()
    run = bench.run(number)
    assert (run.status, run.state, run.error) == (RunStatus.FAILED, "first", f"{words} (attempt 2 of 2)")
    assert bench.run(other).status is RunStatus.COMPLETED
    (letter,) = bench.queue.dead()
    assert (letter.body, letter.reason) == ({"run": number}, f"{words} (attempt 2 of 2)")
    assert [line.message for line in bench.lines(number)] == [words, f"{words} (attempt 2 of 2)"]


def test_a_step_that_fails_for_good_is_not_tried_again(benches: Benches) -> None:
    bench = benches(workflow({"second": _raiser(Fail("there is no such device"))}))
    number = bench.submit()
    bench.drive()
    run = bench.run(number)
    assert (run.status, run.state) == (RunStatus.FAILED, "second")
    assert run.error == "broken: there is no such device"
    assert bench.depth().dead == 1


class _Mute(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise RuntimeError("even this fails")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (_Mute(), "broken: _Mute: it cannot say what it is"),
        (OSError("no file \udcff"), "broken: OSError: no file ?"),
        (ValueError("null \0 byte"), "broken: ValueError: null \ufffd byte"),
        (ValueError("x" * 1_000_000), "broken: ValueError: " + "x" * 488),
        (Retry("soon", 5), "broken: soon"),  # type: ignore[arg-type] # seconds are no timedelta
        (Retry("one day", timedelta.max), "broken: one day"),
    ],
    ids=["mute", "surrogate", "nul", "long", "seconds", "for ever"],
)
def test_an_error_that_cannot_be_stored_as_it_is_stops_nobody(benches: Benches, error: Exception, words: str) -> None:
    def broken(ctx: RunContext) -> StepResult:
        ctx.log.warning("before \0 and \ud800 it")
        raise error

    bench = benches(workflow({"first": broken}))
    number = bench.submit()
    bench.drive()
    run = bench.run(number)
    assert run.error is not None
    assert (run.status, run.error) == (RunStatus.QUEUED, words)
    assert bench.lines(number)[0].message == "before \ufffd and ? it"


def test_a_secret_in_an_error_is_not_stored(sqlite_benches: Benches) -> None:
    bench = sqlite_benches(workflow({"first": _raiser(Fail("GET https://me:hunter22@example.org failed"))}))
    number = bench.submit()
    bench.drive()
    texts = [bench.run(number).error, bench.queue.dead()[0].reason, bench.lines(number)[0].message]
    assert texts == ["broken: GET https://me:***@example.org failed"] * 3


def test_a_failure_goes_where_the_machine_leads_it(benches: Benches) -> None:
    def first(ctx: RunContext) -> StepResult:
        ctx.call("touch", lambda: "touched")
        raise Fail("the device is gone")

    bench = benches(workflow({"first": first}, machine=MENDING))
    number = bench.submit()
    bench.drive()
    run = bench.run(number)
    assert (run.status, run.state, run.error) == (RunStatus.COMPLETED, "done", None)
    assert run.data == {"failure": {"state": "first", "reason": "first: the device is gone"}}
    assert [(u.sequence, u.kind, u.name, u.target) for u in bench.units(number)] == [
        (0, UnitKind.CALL, "touch", None),
        (1, UnitKind.STEP, "failed", "mending"),
        (2, UnitKind.STEP, "go_on", "done"),
    ]


# --- recorded calls ---


class _Caller:
    """A step with two calls, which fails as often as it is told after so many of them."""

    def __init__(self, *, failures: int = 1, after: int = 2) -> None:
        self.made: list[str] = []
        self.names = ["one", "two"]
        self.failures, self.after = failures, after

    def step(self, ctx: RunContext) -> StepResult:
        answers = {}
        for place, name in enumerate(self.names, start=1):
            answers[name] = ctx.call(name, partial(self._make, name))
            if place == self.after and ctx.attempt <= self.failures:
                raise Retry("again", SECOND)
        return Next("next", answers)

    def _make(self, name: str) -> Any:
        self.made.append(name)
        return {"number": len(self.made), "as": (1, 2)}


@pytest.mark.parametrize("after", [1, 2])
def test_a_recorded_call_is_not_made_again_after_a_failed_attempt(benches: Benches, after: int) -> None:
    caller = _Caller(failures=2, after=after)
    bench = benches(workflow({"second": caller.step}))
    number = bench.submit()
    for _ in range(3):
        bench.drive()
        bench.pass_time(SECOND)
    run = bench.run(number)
    assert run.status is RunStatus.COMPLETED
    assert caller.made == ["one", "two"]
    assert run.data == {"one": {"number": 1, "as": [1, 2]}, "two": {"number": 2, "as": [1, 2]}}
    assert [(u.sequence, u.kind, u.name) for u in bench.units(number)][1:4] == [
        (1, UnitKind.CALL, "one"), (2, UnitKind.CALL, "two"), (3, UnitKind.STEP, "step"),
    ]  # fmt: skip


def test_a_recorded_call_is_not_made_again_by_another_process(benches: Benches) -> None:
    caller = _Caller(after=1)
    first, second = benches(workflow({"second": caller.step})), benches(workflow({"second": caller.step}), owner="b")
    number = first.submit()
    first.drive()
    assert caller.made == ["one"]
    second.pass_time(SECOND)
    second.drive()
    assert (caller.made, second.run(number).status) == (["one", "two"], RunStatus.COMPLETED)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["one", "three"], "has the call 'two' as number 2, and the workflow now calls 'three' there"),
        (["one"], "has the call 'two' as number 2, and the workflow no longer makes it"),
        ([], "has the call 'one' as number 1, and the workflow no longer makes it"),
    ],
)
def test_a_workflow_that_no_longer_does_what_the_record_says_fails_loudly(
    benches: Benches, names: list[str], words: str
) -> None:
    caller = _Caller()
    bench = benches(workflow({"second": caller.step}))
    number = bench.submit()
    bench.drive()
    caller.names = names
    bench.pass_time(SECOND)
    bench.drive()
    run = bench.run(number)
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert words in run.error
    assert caller.made == ["one", "two"]


@pytest.mark.parametrize("answer", [{1, 2}, float("nan"), object()])
def test_an_answer_that_is_no_json_fails_the_run_and_names_the_call(sqlite_benches: Benches, answer: object) -> None:
    def first(ctx: RunContext) -> StepResult:
        ctx.call("odd", lambda: answer)
        return Next("next")

    bench = sqlite_benches(workflow({"first": first}))
    number = bench.submit()
    bench.drive()
    run = bench.run(number)
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error.startswith("first: the call 'odd' answered something that cannot be stored as JSON")


def test_what_a_step_keeps_of_its_data_changes_nothing_later(sqlite_benches: Benches) -> None:
    kept: list[Any] = []

    def first(ctx: RunContext) -> StepResult:
        kept.append({"list": [1], "tuple": (1,)})
        return Next("next", {"kept": kept[0]})

    def second(ctx: RunContext) -> StepResult:
        kept[0]["list"].append(2)
        return Next("next", {"seen": ctx.data["kept"]})

    bench = sqlite_benches(workflow({"first": first, "second": second}))
    number = bench.submit()
    bench.drive()
    assert bench.run(number).data["seen"] == {"list": [1], "tuple": [1]}


# --- what a run says while it works ---


def test_lines_and_progress_are_stored_while_the_step_still_works(
    benches: Benches, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()

    def first(ctx: RunContext) -> StepResult:
        ctx.log.info("token=%s", "https://me:hunter22@example.org")
        ctx.log.warning("half %d", 50, extra={"PART": "7"})
        ctx.progress(50)
        gate.pass_through()
        ctx.log.info("on")
        return Next("next")

    caplog.set_level(logging.INFO, "roundsman.run")
    bench = benches(workflow({"first": first}))
    number = bench.submit()
    bench.turn()
    gate.wait_for_entry()
    bench.pass_time(SECOND)
    bench.turn()
    assert [(line.level, line.step, line.message) for line in bench.lines(number)] == [
        ("info", "first", "token=https://me:***@example.org"), ("warning", "first", "half 50"),
    ]  # fmt: skip
    assert (bench.run(number).status, bench.run(number).progress) == (RunStatus.RUNNING, 50)
    gate.open()
    bench.drive()
    assert [line.message for line in bench.lines(number)][2:] == ["on"]
    assert bench.run(number).progress == 100


# --- time over ---


def test_a_step_that_heeds_its_timeout_costs_an_attempt(benches: Benches) -> None:
    entered = threading.Event()

    def first(ctx: RunContext) -> StepResult:
        entered.set()
        assert ctx.stop.wait(PATIENCE_S)
        ctx.stop.check()
        return Next("next")

    bench = benches(workflow({"first": first}, timeout=10 * SECOND))
    number = bench.submit()
    bench.turn()
    assert entered.wait(PATIENCE_S)
    bench.pass_time(9 * SECOND)
    bench.turn()
    assert bench.run(number).status is RunStatus.RUNNING
    bench.pass_time(SECOND)
    bench.drive()
    run = bench.run(number)
    assert (run.status, run.attempt, run.error) == (RunStatus.QUEUED, 1, "first: took longer than 10 s")


def test_a_step_that_does_not_stop_is_given_up_and_its_late_end_changes_nothing(benches: Benches) -> None:
    gate = Gate()
    begun: list[int] = []

    def first(ctx: RunContext) -> StepResult:
        begun.append(ctx.attempt)
        return go_on(ctx) if ctx.attempt > 1 else gate.step(ctx)

    bench = benches(workflow({"first": first}, timeout=10 * SECOND, backoff=SECOND), size=1)
    number = bench.submit()
    bench.turn()
    gate.wait_for_entry()
    bench.pass_time(10 * SECOND)
    bench.turn()
    bench.pass_time(5 * SECOND)
    bench.turn()
    run = bench.run(number)
    assert (run.status, run.error) == (RunStatus.QUEUED, "first: took longer than 10 s")
    bench.pass_time(SECOND)
    bench.drive()  # in another thread, as the only one is not free
    assert (bench.run(number).status, begun) == (RunStatus.COMPLETED, [1, 2])
    gate.open()
    bench.turn(PATIENCE_S)
    assert [unit.sequence for unit in bench.units(number)] == [0, 1, 2]
    for _ in range(3):  # the successor is still there
        later = bench.submit()
        bench.drive()
        assert bench.run(later).status is RunStatus.COMPLETED


def test_a_stubborn_step_whose_failure_leads_somewhere_does_not_hold_up_its_run(benches: Benches) -> None:
    gate = Gate()
    bench = benches(workflow({"first": gate.step}, machine=MENDING, timeout=SECOND, attempts=1), size=1)
    number = bench.submit()
    bench.turn()
    gate.wait_for_entry()
    bench.pass_time(SECOND)
    bench.turn()
    bench.pass_time(5 * SECOND)
    bench.drive()
    run = bench.run(number)
    assert (run.status, run.state) == (RunStatus.COMPLETED, "done")
    assert run.data["failure"]["reason"] == "step: took longer than 1 s (attempt 1 of 1)"
    gate.open()
    bench.turn(PATIENCE_S)
    assert [unit.target for unit in bench.units(number)] == ["mending", "done"]


# --- what has changed since ---


def test_a_run_of_an_unknown_workflow_waits_for_a_daemon_that_knows_it(benches: Benches) -> None:
    knows, does_not = benches(workflow(name="new")), benches(workflow())
    number = knows.submit(workflow="new")
    does_not.drive()
    assert does_not.run(number).status is RunStatus.QUEUED
    knows.drive()
    assert knows.run(number).status is RunStatus.COMPLETED


def test_a_run_in_a_state_that_is_no_more_fails_with_its_name(benches: Benches) -> None:
    def second(ctx: RunContext) -> StepResult:
        raise Retry("again", SECOND)

    before, after = benches(workflow({"second": second})), benches(workflow(machine=MENDING))
    number = before.submit()
    before.drive()
    after.pass_time(SECOND)
    after.drive()
    run = after.run(number)
    assert (run.status, run.state) == (RunStatus.FAILED, "second")
    assert run.error == "it stands in the state 'second', which the workflow 'sample' no longer has"
