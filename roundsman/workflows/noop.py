"""One step that does nothing: for trying out, and for measuring what a run costs by itself."""

from collections.abc import Mapping
from typing import ClassVar

from roundsman.fsm.context import RunContext
from roundsman.fsm.machine import Final, Machine, Transition
from roundsman.fsm.workflow import Next, Step, StepResult, Workflow


class Noop(Workflow):
    """Takes any input."""

    name: ClassVar[str] = "noop"
    machine: ClassVar[Machine] = Machine("new", [Transition("new", "finish", "done")], {"done": Final.COMPLETED})

    def steps(self) -> Mapping[str, Step]:
        return {"new": self.do_nothing}

    def do_nothing(self, ctx: RunContext) -> StepResult:
        return Next("finish")
