"""What follows from an attempt of a step, as a pure function; and whole runs of any machine, in memory."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import machines
from run_bench import MACHINE, MENDING, go_on, workflow

from roundsman.clock import ManualClock
from roundsman.fsm.context import RunContext
from roundsman.fsm.machine import Final, Guard, IllegalTransitionError, Machine, Transition
from roundsman.fsm.registry import WorkflowDefaults, register_workflows, steps_of
from roundsman.fsm.rehearsal import Rehearsal
from roundsman.fsm.workflow import Fail, Next, Retry, StepResult, WaitFor, WaitUntil, Workflow
from roundsman.message import Message
from roundsman.repositories.run_claims import ClaimedRun
from roundsman.repositories.run_record import Unit, UnitKind
from roundsman.repositories.runs import RunStatus
from roundsman.runs.decision import decide, put_back, refused, timer_came
from roundsman.runs.fitness import LATEST
from roundsman.runs.held import Held, Prepared, StepEnded
from roundsman.runs.verdict import Ack, Bury, Circumstances, Decision, Nack
from roundsman.scheduling.job import StopReason, StopToken

NOW = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HERE = Circumstances(NOW, rng=random.Random(7))


def _prepared(built: Workflow, attempts: int = 4) -> Prepared:
    defaults = WorkflowDefaults(timedelta(minutes=1), attempts, timedelta(days=1))
    return Prepared(register_workflows([type(built)], {}, defaults)[built.name], steps_of(built))


def _held(machine: Machine = MACHINE, *, built: Workflow | None = None, **facts: Any) -> Held:
    run = ClaimedRun(7, 3, "sample", "first", {}, {"old": 1}, 4, 0, 0, 20, "abc", None, 3600)
    message = Message("m", "sample", {"run": 7}, 5, None, 1, NOW)
    plain = Held(
        run, message, _prepared(built or workflow(machine=machine)), run.state, run.data, run.sequence, run.attempt,
        run.crashes, run.progress, StopToken(),
    )  # fmt: skip
    return replace(plain, **facts)


def _ended(
    result: Any = None, error: BaseException | None = None, *, calls: int = 0, held: Held | None = None
) -> StepEnded:
    return StepEnded(held or _held(), "step", NOW - SECOND, NOW, result, error, calls)


def test_a_step_leads_on() -> None:
    decision = decide(_ended(Next("next", {"new": (1, 2)}), calls=2), HERE)
    assert decision.advance is not None
    assert (decision.advance.state, decision.advance.data, decision.advance.sequence) == (
        "second", {"old": 1, "new": [1, 2]}, 7,
    )  # fmt: skip
    assert decision.unit == Unit(
        7, 6, UnitKind.STEP, "step", "first", "next", "second", {"new": [1, 2]}, 1, NOW - SECOND, NOW
    )
    assert (decision.leave, decision.settlement, decision.event, decision.trouble) == (None, None, None, None)


@pytest.mark.parametrize(
    ("final", "status", "progress"),
    [
        (Final.COMPLETED, RunStatus.COMPLETED, 100),
        (Final.FAILED, RunStatus.FAILED, 20),
        (Final.CANCELLED, RunStatus.CANCELLED, 20),
    ],
)
def test_a_step_leads_to_an_end(final: Final, status: RunStatus, progress: int) -> None:
    machine = Machine("first", [Transition("first", "next", "over")], {"over": final})
    decision = decide(_ended(Next("next"), held=_held(machine)), replace(HERE, asked="pause", halting=True))
    assert decision.leave is not None
    assert (decision.leave.status, decision.leave.progress, decision.leave.finished_at) == (status, progress, NOW)
    assert decision.leave.expires_at == NOW + timedelta(hours=1)
    assert decision.settlement == Ack()
    assert decision.event is not None
    assert (decision.event.event, decision.event.payload["state"]) == (f"run.{status}", "over")


@pytest.mark.parametrize(
    ("here", "status", "settlement"),
    [
        (replace(HERE, asked="pause"), RunStatus.PAUSED, Ack()),
        (replace(HERE, halting=True), RunStatus.QUEUED, Nack()),
        (replace(HERE, asked="pause", halting=True), RunStatus.PAUSED, Ack()),
    ],
)
def test_a_run_is_let_go_after_a_step_when_it_is_paused_or_the_daemon_halts(
    here: Circumstances, status: RunStatus, settlement: object
) -> None:
    decision = decide(_ended(Next("next"), held=_held(attempt=2, crashes=3)), here)
    assert decision.leave is not None
    left = decision.leave
    assert (left.status, left.state, left.sequence, left.attempt, left.crashes) == (status, "second", 5, 0, 0)
    assert (decision.settlement, decision.advance) == (settlement, None)


# --- failures ---


@pytest.mark.parametrize("attempt", range(3))
def test_failed_attempts_come_back_later_and_later(attempt: int) -> None:
    decision = decide(_ended(error=ValueError("no"), held=_held(attempt=attempt, crashes=2)), HERE)
    assert decision.leave is not None
    left = decision.leave
    assert (left.status, left.attempt, left.crashes, left.error) == (
        RunStatus.QUEUED, attempt + 1, 0, "step: ValueError: no",
    )  # fmt: skip
    assert left.not_before is not None
    ceiling = timedelta(seconds=2) * 2**attempt
    assert ceiling / 2 <= left.not_before - NOW <= ceiling
    assert (decision.settlement, decision.unit) == (Nack(left.not_before), None)
    assert (left.sequence, left.state, decision.trouble) == (4, "first", "step: ValueError: no")


@pytest.mark.parametrize(
    ("after", "again_at"),
    [(5 * SECOND, NOW + 5 * SECOND), (-SECOND, NOW), (timedelta(0), NOW), (timedelta.max, LATEST)],
)
def test_a_step_may_say_when(after: timedelta, again_at: datetime) -> None:
    decision = decide(_ended(error=Retry("soon", after)), HERE)
    assert decision.settlement == Nack(again_at)


@pytest.mark.parametrize(
    ("error", "attempt", "reason"),
    [
        (ValueError("no"), 3, "step: ValueError: no (attempt 4 of 4)"),
        (Retry("no", SECOND), 3, "step: no (attempt 4 of 4)"),
        (Fail("never"), 0, "step: never"),
    ],
)
def test_an_end_of_all_attempts_is_a_dead_letter(error: Exception, attempt: int, reason: str) -> None:
    decision = decide(_ended(error=error, held=_held(attempt=attempt)), HERE)
    assert decision.leave is not None
    assert (decision.leave.status, decision.leave.state, decision.leave.error) == (RunStatus.FAILED, "first", reason)
    assert (decision.settlement, decision.trouble, decision.unit) == (Bury(reason), reason, None)
    assert decision.event is not None
    assert (decision.event.event, decision.event.payload["error"]) == ("run.failed", reason)


@pytest.mark.parametrize(("recorded", "calls"), [(0, 0), (0, 2), (2, 0), (2, 1)])
def test_a_failure_that_leads_somewhere_stands_in_the_record_behind_all_calls(recorded: int, calls: int) -> None:
    units = [Unit(7, 4 + n, UnitKind.CALL, "c", "first", None, None, n, 1, NOW, NOW) for n in range(recorded)]
    held = _held(MENDING, recorded=units)
    decision = decide(_ended(error=Fail("never"), calls=calls, held=held), HERE)
    assert decision.advance is not None
    assert decision.unit is not None
    place = 4 + max(recorded, calls)
    assert (decision.unit.sequence, decision.advance.sequence) == (place, place + 1)
    assert decision.advance.state == "mending"
    assert decision.advance.data["failure"] == {"state": "first", "reason": "step: never"}


def test_a_step_whose_time_is_over_is_told_so() -> None:
    held = _held()
    held.stop.set(StopReason.TIMEOUT)
    decision = decide(_ended(error=TimeoutError(), held=held), HERE)
    assert decision.trouble == "step: took longer than 60 s"


@pytest.mark.parametrize("error", [ValueError("cut off"), Fail("cut off"), SystemExit()])
@pytest.mark.parametrize(
    ("asked", "status", "settlement"),
    [(None, RunStatus.QUEUED, Nack()), ("pause", RunStatus.PAUSED, Ack())],
)
def test_a_step_that_a_shutdown_cut_off_costs_nothing(
    error: BaseException, asked: str | None, status: RunStatus, settlement: object
) -> None:
    held = _held(attempt=2, crashes=1)
    held.stop.set(StopReason.SHUTDOWN)
    decision = decide(_ended(error=error, held=held), replace(HERE, asked=asked, halting=True))
    assert decision.leave is not None
    left = decision.leave
    assert (left.status, left.attempt, left.crashes, left.sequence) == (status, 2, 1, 4)
    assert (left.error, left.not_before, decision.settlement, decision.trouble) == (None, None, settlement, None)


def test_a_result_that_came_in_spite_of_the_shutdown_counts() -> None:
    held = _held()
    held.stop.set(StopReason.SHUTDOWN)
    decision = decide(_ended(Next("next"), held=held), replace(HERE, halting=True))
    assert decision.leave is not None
    assert (decision.leave.state, decision.leave.sequence) == ("second", 5)


_NONSENSE: list[Any] = [
    None, "next", Next("fly"), (Next, ["next"]), (Next, "next", {1: {2}}), Next("next", {"a": float("nan")}),
    (Next, "next", 5), WaitFor(()), WaitFor(("fly",)), (WaitFor, 5), WaitFor(("approve",), NOW), WaitUntil(NOW, "fly"),
    WaitFor(("approve",), None, "late"), WaitUntil(datetime(2026, 1, 1), "late"), (WaitUntil, None, "late"),
]  # fmt: skip
"""As tuples those that no type checker lets pass."""


@pytest.mark.parametrize("result", _NONSENSE)
def test_a_result_that_makes_no_sense_is_a_failure(result: Any) -> None:
    made = result[0](*result[1:]) if isinstance(result, tuple) else result
    decision = decide(_ended(made), HERE)
    assert decision.leave is not None
    assert decision.leave.status is RunStatus.FAILED
    assert decision.leave.data == {"old": 1}


def test_a_guard_that_fails_is_a_failure_and_no_fault_of_ours() -> None:
    guard = Guard("odd", lambda data: data["missing"])
    machine = Machine("first", [Transition("first", "next", "done", guard)], {"done": Final.COMPLETED})
    for decision in (
        decide(_ended(Next("next"), held=_held(machine)), HERE),
        timer_came(_held(machine), "next", HERE),
    ):
        assert decision.leave is not None
        assert decision.leave.status is RunStatus.FAILED
        assert "KeyError" in (decision.trouble or "")


# --- waits, timers, and what never was ---


@pytest.mark.parametrize(
    ("result", "awaits", "until", "on_time"),
    [
        (WaitUntil(NOW + SECOND, "late"), None, NOW + SECOND, "late"),
        (WaitFor(("approve", "reject")), ["approve", "reject"], None, None),
        (WaitFor(("approve",), NOW + SECOND, "late"), ["approve"], NOW + SECOND, "late"),
    ],
)
@pytest.mark.parametrize("asked", [None, "pause"])
def test_a_wait_is_kept_with_what_ends_it(
    result: StepResult, awaits: list[str] | None, until: datetime | None, on_time: str | None, asked: str | None
) -> None:
    decision = decide(_ended(result, calls=1, held=_held(attempt=2)), replace(HERE, asked=asked, halting=True))
    assert decision.leave is not None
    left = decision.leave
    assert (left.awaits, left.not_before, left.on_time, left.attempt, left.sequence) == (awaits, until, on_time, 0, 6)
    assert left.status is (RunStatus.PAUSED if asked else RunStatus.WAITING)
    assert decision.settlement == (Nack(until) if until and not asked else Ack())
    assert decision.event is not None
    assert decision.event.event == "run.waiting"


def test_a_time_that_came_leads_on() -> None:
    decision = timer_came(_held(), "late", HERE)
    assert decision.advance is not None
    assert decision.unit == Unit(7, 4, UnitKind.TIMER, "late", "first", "late", "second", {}, 1, NOW, NOW)
    assert (decision.advance.state, decision.advance.sequence) == ("second", 5)


def test_what_cannot_be_begun_fails_with_the_reason() -> None:
    decision = refused(_held(state="gone"), "there is no such state", HERE)
    assert decision.leave is not None
    assert (decision.leave.status, decision.leave.error) == (RunStatus.FAILED, "there is no such state")
    assert decision.settlement == Bury("there is no such state")


@pytest.mark.parametrize("paused", [False, True])
def test_what_is_put_back_is_as_it_was(paused: bool) -> None:
    held = _held(attempt=2, crashes=1)
    held.run = held.run._replace(on_time="late")
    decision = put_back(held, paused=paused)
    assert decision.leave is not None
    left = decision.leave
    assert (left.attempt, left.crashes, left.sequence, left.on_time) == (2, 1, 4, "late")
    assert (left.status, decision.settlement) == ((RunStatus.PAUSED, Ack()) if paused else (RunStatus.QUEUED, Nack()))


# --- whole runs, in memory ---


@dataclass
class _Script:
    """What the steps of one run do, in this order; from its end on each takes the way to the last state."""

    acts: Sequence[tuple[str, str]]
    taken: int = 0
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))

    def step(self, _: Any = None) -> StepResult:
        act, event = self.acts[self.taken] if self.taken < len(self.acts) else ("next", "go")
        self.taken += 1
        if act == "retry":
            raise Retry(event)
        if act == "fail":
            raise Fail(event)
        patch = {"held": event != "wait", event: self.taken}
        return WaitUntil(self.clock.now(), event, patch) if act == "wait" else Next(event, patch)


_ACTS = st.lists(
    st.tuples(
        st.sampled_from(["next", "next", "next", "wait", "retry", "fail"]), st.sampled_from(["go", "turn", "wait"])
    ),
    max_size=12,
)


class _Stored:
    """A run that is driven by decisions alone, as a store would keep it: claimed anew after each time it was left."""

    def __init__(self, built: Workflow, rng: random.Random) -> None:
        self.prepared = _prepared(built)
        self.machine = built.machine
        self.rng = rng
        self.status, self.state = RunStatus.QUEUED, built.machine.initial
        self.data: Mapping[str, Any] = {"held": True}
        self.sequence = self.attempt = 0
        self.on_time: str | None = None
        self.error: str | None = None
        self.units: list[Unit] = []

    def go(self, script: _Script) -> None:
        while self.status in (RunStatus.QUEUED, RunStatus.WAITING):
            self._drive(script)

    def _drive(self, script: _Script) -> None:
        run = ClaimedRun(
            7, 1, "sample", self.state, {}, self.data, self.sequence, self.attempt, 0, 0, "abc", self.on_time, None
        )
        held = Held(
            run, Message("m", "sample", {"run": 7}, 5, None, 1, NOW), self.prepared, self.state, self.data,
            self.sequence, self.attempt, 0, 0, StopToken(),
        )  # fmt: skip
        decision = timer_came(held, self.on_time, self._here()) if self.on_time else self._attempt(held, script)
        while decision.advance is not None:
            self._keep(decision)
            advance = decision.advance
            self.state, self.data, self.sequence = advance.state, advance.data, advance.sequence
            held.state, held.data, held.sequence, held.attempt = self.state, self.data, self.sequence, 0
            decision = self._attempt(held, script)
        self._keep(decision)
        assert decision.leave is not None
        assert decision.settlement is not None
        left = decision.leave
        self.status, self.state, self.data, self.sequence = left.status, left.state, left.data, left.sequence
        self.attempt, self.on_time, self.error = left.attempt, left.on_time, left.error

    def _attempt(self, held: Held, script: _Script) -> Decision:
        ended = StepEnded(held, "step", NOW, NOW, None)
        try:
            ended.result = script.step()
        except (Retry, Fail) as raised:
            ended.error = raised
        return decide(ended, self._here())

    def _here(self) -> Circumstances:
        return Circumstances(NOW, None, self.rng.random() < 0.3, self.rng)

    def _keep(self, decision: Decision) -> None:
        if decision.unit is not None:
            self.units.append(decision.unit)


@given(machines(), _ACTS, st.randoms(use_true_random=False))
def test_any_run_of_any_machine_ends_as_its_rehearsal_does(
    machine: Machine, acts: list[tuple[str, str]], rng: random.Random
) -> None:
    class Flow(Workflow):
        name: ClassVar[str] = "sample"

        def __init__(self, script: _Script) -> None:
            self._script = script

        def steps(self) -> Mapping[str, Callable[[RunContext], StepResult]]:
            return {state: self._script.step for state in machine.states if not machine.is_final(state)}

    Flow.machine = machine
    ours, theirs = _Script(acts), _Script(acts)
    stored = _Stored(Flow(ours), rng)
    stored.go(ours)
    state, status, attempts = _model(machine, theirs)
    assert (stored.state, stored.status, ours.taken) == (state, status, attempts)
    assert [unit.sequence for unit in stored.units] == list(range(len(stored.units)))
    assert stored.sequence == len(stored.units)
    place = machine.initial
    for unit in stored.units:
        assert unit.state == place
        place = unit.target or place
    assert place == stored.state


def _model(machine: Machine, script: _Script) -> tuple[str, RunStatus, int]:
    """The rules once more, in the plainest words."""
    state, data, failed = machine.initial, {"held": True}, 0
    while True:
        try:
            result: Any = script.step()
        except Retry:
            failed += 1
            if failed < 4:
                continue
            return state, RunStatus.FAILED, script.taken
        except Fail:
            return state, RunStatus.FAILED, script.taken
        event = result.event
        if event not in machine.events_of(state):
            return state, RunStatus.FAILED, script.taken
        data = {**data, **result.patch}
        try:
            state = machine.step(state, event, data)
        except IllegalTransitionError:  # its guard does not hold
            return state, RunStatus.FAILED, script.taken
        failed = 0
        if machine.is_final(state):
            return state, RunStatus(machine.finals[state].value), script.taken


def test_a_rehearsal_keeps_the_rules_of_the_engine() -> None:
    def first(ctx: RunContext) -> StepResult:
        if ctx.attempt == 1:
            raise Retry("again")
        return Next("next", {"seen": (1, 2)})

    rehearsed = Rehearsal(workflow({"first": first, "second": go_on}), {}, ManualClock(NOW))
    rehearsed.go()
    decision = decide(_ended(Next("next", {"seen": (1, 2)}), held=_held(data={})), HERE)
    assert decision.advance is not None
    assert (rehearsed.ended, rehearsed.data) == (Final.COMPLETED, decision.advance.data)
