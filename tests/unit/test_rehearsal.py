"""A rehearsal treats a workflow as the engine does: failures, waits, signals, recorded calls."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from roundsman.clock import ManualClock
from roundsman.errors import BadInputError, ConfigurationError
from roundsman.fsm.context import RunContext
from roundsman.fsm.machine import FAILED, Final, IllegalTransitionError, Machine, Transition
from roundsman.fsm.rehearsal import Rehearsal
from roundsman.fsm.workflow import Fail, Next, Retry, Step, StepResult, WaitFor, WaitUntil, Workflow, review


class _Order(Workflow):
    """Pays once, waits for a person, then for a day."""

    name: ClassVar[str] = "order"
    machine: ClassVar[Machine] = Machine(
        "new",
        [
            Transition("new", "paid", "seen"),
            Transition("new", FAILED, "refunding"),
            Transition("seen", "approve", "resting"),
            Transition("seen", "reject", "dropped"),
            Transition("resting", "rested", "done"),
            Transition("refunding", "refunded", "dropped"),
        ],
        {"done": Final.COMPLETED, "dropped": Final.CANCELLED},
    )

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.paid = 0

    def check(self, data: Mapping[str, Any]) -> None:
        if "amount" not in data:
            raise BadInputError("amount: is missing; give one.")

    def steps(self) -> Mapping[str, Step]:
        return {"new": self.pay, "seen": self.ask, "resting": self.rest, "refunding": self.refund}

    def pay(self, ctx: RunContext) -> StepResult:
        receipt = ctx.call("pay", self._pay)
        ctx.progress(50)
        if self.fault is not None and (ctx.attempt < 3 or isinstance(self.fault, Fail)):
            raise self.fault
        return Next("paid", {"receipt": receipt, "amount": ctx.input["amount"]})

    def _pay(self) -> list[int]:
        self.paid += 1
        return [self.paid]

    def ask(self, ctx: RunContext) -> StepResult:
        return review({"asked": True})

    def rest(self, ctx: RunContext) -> StepResult:
        return WaitUntil(ctx.clock.now() + timedelta(days=1), "rested")

    def refund(self, ctx: RunContext) -> StepResult:
        return Next("refunded", {"told": ctx.data["failure"]["reason"]})


def test_it_goes_on_until_it_waits(clock: ManualClock) -> None:
    run = Rehearsal(_Order(), {"amount": 5}, clock)
    run.go()
    assert (run.state, run.data, run.progress) == ("seen", {"receipt": [1], "amount": 5, "asked": True}, 50)
    assert (run.waits, run.ended) == (review({"asked": True}), None)
    with pytest.raises(ValueError, match="does not wait for 'rested'"):
        run.signal("rested")
    run.signal("approve")
    assert run.state == "resting"
    clock.advance(timedelta(days=1, microseconds=-1))
    run.go()
    assert run.attempts[-1] == "rest"
    assert run.waits is not None
    clock.advance(timedelta(microseconds=1))
    run.go()
    assert (run.state, run.ended, run.attempts) == ("done", Final.COMPLETED, ["pay", "ask", "rest"])


def test_a_wait_for_an_event_can_end_by_time(clock: ManualClock) -> None:
    class Impatient(_Order):
        def ask(self, ctx: RunContext) -> StepResult:
            return WaitFor(("approve",), until=ctx.clock.now() + timedelta(hours=1), on_time="reject")

    run = Rehearsal(Impatient(), {"amount": 5}, clock)
    run.go()
    clock.advance(timedelta(hours=1))
    run.go()
    assert (run.state, run.ended) == ("dropped", Final.CANCELLED)


@pytest.mark.parametrize("fault", [Retry("busy"), KeyError("busy")])
def test_an_attempt_after_a_failed_one_is_given_the_record_of_its_calls(fault: Exception, clock: ManualClock) -> None:
    order = _Order(fault)
    run = Rehearsal(order, {"amount": 5}, clock)
    run.go()
    assert (run.state, run.data["receipt"], run.error) == ("seen", [1], str(fault))
    assert (run.attempts, run.calls, order.paid) == (["pay", "pay", "pay", "ask"], ["pay"], 1)


@pytest.mark.parametrize(("fault", "attempts"), [(Fail("no money"), 4), (Retry("no money"), 2)])
def test_the_machine_leads_a_failure(fault: Exception, attempts: int, clock: ManualClock) -> None:
    run = Rehearsal(_Order(fault), {"amount": 5}, clock, attempts=attempts)
    run.go()
    assert (run.state, run.ended, run.data["told"]) == ("dropped", Final.CANCELLED, "no money")
    assert run.data["failure"] == {"state": "new", "reason": "no money"}
    assert run.attempts == ["pay"] * (1 if attempts == 4 else 2) + ["refund"]


def test_without_a_way_for_failures_the_run_ends_where_it_stands(clock: ManualClock) -> None:
    class Lost(_Order):
        def ask(self, ctx: RunContext) -> StepResult:
            raise Fail("nobody there")

    run = Rehearsal(Lost(), {"amount": 5}, clock)
    run.go()
    assert (run.state, run.ended, run.error) == ("seen", Final.FAILED, "nobody there")


def test_calls_that_change_between_attempts_fail_loudly(clock: ManualClock) -> None:
    class Fickle(_Order):
        def ask(self, ctx: RunContext) -> StepResult:
            ctx.call(f"ask_{ctx.attempt}", lambda: None)
            raise Retry("again")

    run = Rehearsal(Fickle(), {"amount": 5}, clock)
    run.go()
    assert run.ended is Final.FAILED
    assert run.error == "the call 'ask_1' was recorded at this place, and now it is 'ask_2'"


def test_what_cannot_be_stored_or_taken_is_found(clock: ManualClock) -> None:
    class Timeful(_Order):
        def pay(self, ctx: RunContext) -> StepResult:
            return Next("paid", {"at": ctx.clock.now()})

    class Mistyped(_Order):
        def pay(self, ctx: RunContext) -> StepResult:
            return Next("payed")

    with pytest.raises(TypeError, match="not JSON serializable"):
        Rehearsal(Timeful(), {"amount": 5}, clock).go()
    with pytest.raises(IllegalTransitionError, match="possible there: paid, failed"):
        Rehearsal(Mistyped(), {"amount": 5}, clock).go()
    with pytest.raises(BadInputError, match="amount"):
        Rehearsal(_Order(), {}, clock)


def test_steps_that_do_not_fit_are_found(clock: ManualClock) -> None:
    class Forgetful(_Order):
        def steps(self) -> Mapping[str, Step]:
            return {"new": self.pay}

    with pytest.raises(ConfigurationError, match="'seen' has no step"):
        Rehearsal(Forgetful(), {"amount": 5}, clock)
