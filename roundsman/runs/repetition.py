"""Where a run is begun again: at which place of its record, in which state, with which data. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roundsman.errors import BadInputError
from roundsman.fsm.workflow import Workflow
from roundsman.repositories.run_record import Unit, UnitKind
from roundsman.repositories.runs import Run


@dataclass(frozen=True)
class Start:
    """What comes before `sequence` is taken over from the record and not done again."""

    sequence: int
    state: str


def start_of(run: Run, units: Sequence[Unit], workflow: Workflow, step: str | None) -> Start:
    """Where a repetition of this run begins: at this step, as it was recorded last, or where the run ended.

    `step` is its name or its state. A run that came to a final state begins anew. Raises BadInputError.
    """
    machine = workflow.machine
    if step is None:
        return Start(0, machine.initial) if machine.is_final(run.state) else Start(run.sequence, run.state)
    found = [unit for unit in units if unit.kind is UnitKind.STEP and step in (unit.name, unit.state)]
    if not found:
        at_end = workflow.steps().get(run.state)
        if at_end is not None and step in (at_end.__name__, run.state):
            return Start(run.sequence, run.state)
        names = ", ".join(dict.fromkeys(unit.name for unit in units if unit.kind is UnitKind.STEP)) or "none"
        raise BadInputError(f"--from: run {run.id} has no recorded step {step!r}; recorded are {names}.")
    last = found[-1]
    if last.state not in machine.states:
        raise BadInputError(f"--from: the workflow {run.workflow} no longer has the state {last.state!r}.")
    # the calls of a step stand before it and belong to it
    first = last.sequence
    before = {unit.sequence: unit for unit in units}
    while (call := before.get(first - 1)) is not None and call.kind is UnitKind.CALL:
        first -= 1
    return Start(first, last.state)


def replayed(units: Sequence[Unit]) -> Mapping[str, Any]:
    """The data that these units left behind."""
    data: dict[str, Any] = {}
    for unit in units:
        if unit.kind is not UnitKind.CALL and isinstance(unit.result, Mapping):
            data |= unit.result
    return data
