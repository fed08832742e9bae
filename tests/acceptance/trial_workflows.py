"""Workflows for programs that are killed: what their steps do outside, they do through the callable they are given."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import ClassVar

from roundsman.fsm.context import RunContext
from roundsman.fsm.machine import Final, Machine, Transition
from roundsman.fsm.workflow import Next, Retry, Step, StepResult, WaitFor, WaitUntil, Workflow

Doing = Callable[[str, int], int]
"""Does a named thing outside for a run; returns the run's number."""


class Trial(Workflow):
    """Three steps, each with a recorded call: a wait for a signal, a retry, a wait for a time."""

    name: ClassVar[str] = "trial"
    machine: ClassVar[Machine] = Machine(
        "gathering",
        [
            Transition("gathering", "go", "working"),
            Transition("working", "worked", "resting"),
            Transition("resting", "rested", "done"),
        ],
        {"done": Final.COMPLETED},
    )

    def __init__(self, do: Doing) -> None:
        self._do = do

    def steps(self) -> Mapping[str, Step]:
        return {"gathering": self.gather, "working": self.work, "resting": self.rest}

    def gather(self, ctx: RunContext) -> StepResult:
        return WaitFor(("go",), patch={"gathered": ctx.call("gathering", lambda: self._do("gathering", ctx.run_id))})

    def work(self, ctx: RunContext) -> StepResult:
        answer = ctx.call("working", lambda: self._do("working", ctx.run_id))
        if ctx.attempt == 1:
            raise Retry("as it was asked to", timedelta(milliseconds=10))
        return Next("worked", {"worked": answer})

    def rest(self, ctx: RunContext) -> StepResult:
        answer = ctx.call("resting", lambda: self._do("resting", ctx.run_id))
        return WaitUntil(ctx.clock.now() + timedelta(milliseconds=20), "rested", {"slept": answer})


TRIAL_RECORD = [
    ("call", "gathering"), ("step", "gather"), ("signal", "go"), ("call", "working"), ("step", "work"),
    ("call", "resting"), ("step", "rest"), ("timer", "rested"),
]  # fmt: skip
"""What is to be in the record of a trial, whatever happened on the way."""


class Steady(Workflow):
    """Three steps in a row; each does something outside and takes a moment."""

    name: ClassVar[str] = "steady"
    machine: ClassVar[Machine] = Machine(
        "first",
        [
            Transition("first", "next", "second"),
            Transition("second", "next", "third"),
            Transition("third", "next", "end"),
        ],
        {"end": Final.COMPLETED},
    )

    def __init__(self, do: Doing) -> None:
        self._do = do

    def steps(self) -> Mapping[str, Step]:
        return {"first": self.one, "second": self.two, "third": self.three}

    def one(self, ctx: RunContext) -> StepResult:
        return self._step(ctx)

    def two(self, ctx: RunContext) -> StepResult:
        return self._step(ctx)

    def three(self, ctx: RunContext) -> StepResult:
        return self._step(ctx)

    def _step(self, ctx: RunContext) -> StepResult:
        ctx.call(ctx.state, lambda: self._do(ctx.state, ctx.run_id))
        ctx.stop.wait(ctx.input["seconds"])
        return Next("next", {ctx.state: True})


STEADY_RECORD = [
    ("call", "first"), ("step", "one"), ("call", "second"), ("step", "two"), ("call", "third"), ("step", "three"),
]  # fmt: skip


class Single(Workflow):
    """One step that does one thing outside."""

    name: ClassVar[str] = "single"
    machine: ClassVar[Machine] = Machine("new", [Transition("new", "finish", "done")], {"done": Final.COMPLETED})

    def __init__(self, do: Doing) -> None:
        self._do = do

    def steps(self) -> Mapping[str, Step]:
        return {"new": self.once}

    def once(self, ctx: RunContext) -> StepResult:
        ctx.stop.wait(ctx.input.get("seconds", 0.0))
        self._do("once", ctx.run_id)
        return Next("finish")


WORKFLOWS: tuple[type[Trial] | type[Steady] | type[Single], ...] = (Trial, Steady, Single)
