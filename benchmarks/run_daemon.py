"""The daemon whose runs are measured: the whole program with three workflows that write down when their steps ran.

As a program it is that daemon (`python -m benchmarks.run_daemon run`). The functions are for whoever shares its
process: end to end, and pick-ups within one process.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from jobs.queue_poller import QueuePoller
from roundsman.app.composition import App
from roundsman.app.settings import read_settings
from roundsman.cli import main
from roundsman.clock import SystemClock
from roundsman.fsm.context import RunContext
from roundsman.fsm.machine import Final, Machine, Transition
from roundsman.fsm.workflow import Next, Step, StepResult, Workflow

STEPS_LOG = "BENCHMARK_STEPS"
"""Environment variable: the file that steps write into, `S|E number monotonic_ns` a line."""


class OneStep(Workflow):
    """One step that appends a line."""

    name: ClassVar[str] = "one_step"
    machine: ClassVar[Machine] = Machine("new", [Transition("new", "done", "ended")], {"ended": Final.COMPLETED})

    def steps(self) -> Mapping[str, Step]:
        return {"new": self.append}

    def append(self, ctx: RunContext) -> StepResult:
        write_line("S", ctx.input.get("number", 0))
        return Next("done")


class ThreeSteps(Workflow):
    """Three of them, each of which leaves something in the data."""

    name: ClassVar[str] = "three_steps"
    machine: ClassVar[Machine] = Machine(
        "first",
        [Transition("first", "a", "second"), Transition("second", "b", "third"), Transition("third", "c", "ended")],
        {"ended": Final.COMPLETED},
    )

    def steps(self) -> Mapping[str, Step]:
        return {"first": self.begin, "second": self.go_on, "third": self.end}

    def begin(self, ctx: RunContext) -> StepResult:
        return self._next(ctx, "a")

    def go_on(self, ctx: RunContext) -> StepResult:
        return self._next(ctx, "b")

    def end(self, ctx: RunContext) -> StepResult:
        return self._next(ctx, "c")

    def _next(self, ctx: RunContext, event: str) -> StepResult:
        write_line("S", ctx.input.get("number", 0))
        return Next(event, {event: ctx.run_id})


class Lasting(Workflow):
    """One step that lasts as long as its input says."""

    name: ClassVar[str] = "lasting"
    machine: ClassVar[Machine] = Machine("new", [Transition("new", "done", "ended")], {"ended": Final.COMPLETED})

    def steps(self) -> Mapping[str, Step]:
        return {"new": self.last}

    def last(self, ctx: RunContext) -> StepResult:
        write_line("S", ctx.input["number"])
        ctx.stop.wait(ctx.input["seconds"])
        write_line("E", ctx.input["number"])
        return Next("done")


WORKFLOWS: tuple[type[Workflow], ...] = (OneStep, ThreeSteps, Lasting)


def write_line(what: str, number: int) -> None:
    """Append to the log of steps; one write, so lines of several threads and processes never mix."""
    os.write(_log(os.environ[STEPS_LOG]), f"{what} {number} {time.monotonic_ns()}\n".encode())


@cache
def _log(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


@contextmanager
def app(environment: Mapping[str, str], folder: Path) -> Iterator[App]:
    """The parts of that daemon, in this process."""
    made = App(read_settings(environment, folder), [QueuePoller], WORKFLOWS, SystemClock())
    try:
        yield made
    finally:
        made.close()


def order_input(number: int, **more: Any) -> dict[str, Any]:
    """What the steps write down."""
    return {"number": number, **more}


if __name__ == "__main__":
    main([QueuePoller], workflows=WORKFLOWS)
