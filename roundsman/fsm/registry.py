"""The registered workflows with the facts in force: the class's own, overridden by settings.

Everything that can be wrong with a workflow is found here, at start and in `check-config`, as one sentence each. What
is wrong with a machine alone was found earlier still, when its class was made.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from roundsman.errors import BadInputError, ConfigurationError
from roundsman.fsm.machine import Machine
from roundsman.fsm.workflow import FOR_EVER, Step, Workflow
from roundsman.message import Rate, parse_rate
from roundsman.scheduling.facts import FactReader, by_name, of_nobody, positive_duration, unknown, where

LONGEST_TIMEOUT = timedelta(days=7)
MOST_ATTEMPTS = 101
MOST_AT_A_TIME = 100_000

_FACTS = frozenset({"concurrency", "timeout", "attempts", "rate"})
_T = TypeVar("_T")


@dataclass(frozen=True)
class WorkflowFacts:
    """A workflow class with every fact decided."""

    name: str
    workflow: type[Workflow]
    timeout: timedelta
    """Of one attempt of one step."""
    attempts: int
    """Of one step, the first included."""
    concurrency: int | None
    """Runs under way at a time, over all daemons; None is no limit."""
    rate: Rate | None
    backoff: timedelta
    kept_for: timedelta | None
    """How long a finished run is kept; None is for ever."""

    @property
    def machine(self) -> Machine:
        return self.workflow.machine


@dataclass(frozen=True)
class WorkflowDefaults:
    """What holds for a workflow that says nothing itself."""

    step_timeout: timedelta
    attempts: int
    """Of one step, the first included."""
    kept_for: timedelta | None
    """None is for ever."""


@dataclass(frozen=True)
class WorkflowRegistry:
    """The workflows of this daemon, in the order of WORKFLOWS."""

    workflows: tuple[WorkflowFacts, ...]
    _by_name: Mapping[str, WorkflowFacts] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {facts.name: facts for facts in self.workflows})

    def __getitem__(self, name: str) -> WorkflowFacts:
        """Raises KeyError."""
        return self._by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def find(self, name: str) -> WorkflowFacts:
        """The one that a person has named. Raises BadInputError with the names that there are."""
        if name not in self._by_name:
            raise BadInputError(f"workflow: {unknown('workflow', name, self._by_name)}")
        return self._by_name[name]


def register_workflows(
    workflows: Sequence[type[Workflow]], overrides: Mapping[str, Mapping[str, str]], defaults: WorkflowDefaults
) -> WorkflowRegistry:
    """Decide the facts of every workflow.

    `overrides` maps a workflow's name to its settings as texts, keyed by fact in lower case (`timeout`, `rate`).
    Raises ConfigurationError with one sentence for each fault.
    """
    faults: list[str] = []
    named = by_name(workflows, faults)
    registered = []
    for name, workflow in named.items():
        faults.extend(_unfinished(workflow))
        reader = FactReader(workflow, "workflow", overrides.get(name, {}), _FACTS)
        registered.append(_read(workflow, reader, defaults))
        faults.extend(reader.faults)
    faults.extend(of_nobody("workflow", overrides, named))
    if faults:
        raise ConfigurationError(faults)
    return WorkflowRegistry(tuple(registered))


def steps_of(workflow: Workflow) -> Mapping[str, Step]:
    """The steps of a workflow that was built with its parts: exactly one for each state that is not final.

    Raises ConfigurationError with one sentence for each fault.
    """
    machine, steps = workflow.machine, dict(workflow.steps())
    faults = [
        f"state {state!r} has no step; add one, or name the state in the machine's finals"
        for state in machine.states
        if state not in steps and not machine.is_final(state)
    ]
    for state, step in steps.items():
        if state not in machine.states:
            faults.append(f"there is a step for {state!r}, which is no state; those are {', '.join(machine.states)}")
        elif machine.is_final(state):
            faults.append(f"there is a step for {state!r}, which is final; remove it, as nothing is done there")
        if not (callable(step) and getattr(step, "__name__", "").isidentifier()):
            faults.append(f"the step of {state!r} has no name to be recorded under; write a method or a function")
    if faults:
        raise ConfigurationError([f"{where(type(workflow))}: {fault}." for fault in faults])
    return steps


def _unfinished(workflow: type[Workflow]) -> Iterator[str]:
    if not isinstance(getattr(workflow, "machine", None), Machine):
        yield f"{where(workflow)}: machine is missing; declare its states with Machine(...)."
    if inspect.isabstract(workflow):
        yield f"{where(workflow)}: steps is missing; give it a method that returns the step of each state."


def _read(workflow: type[Workflow], reader: FactReader, defaults: WorkflowDefaults) -> WorkflowFacts:
    return WorkflowFacts(
        name=workflow.name,
        workflow=workflow,
        timeout=reader.read("timeout", _timeout, defaults.step_timeout, workflow.timeout),
        attempts=reader.read("attempts", _whole_up_to(MOST_ATTEMPTS), defaults.attempts, workflow.attempts),
        concurrency=reader.read("concurrency", _unless_none(_whole_up_to(MOST_AT_A_TIME)), None, workflow.concurrency),
        rate=reader.read("rate", _unless_none(_rate), None, workflow.rate),
        backoff=reader.read("backoff", _span, timedelta(0), workflow.backoff),
        kept_for=reader.read("kept_for", _kept_for, defaults.kept_for, workflow.kept_for),
    )


# --- readers of what a setting, a text, or else the class says ---


def _timeout(value: str | timedelta) -> timedelta:
    span = positive_duration(value) if isinstance(value, str) else _span(value)
    if span <= timedelta(0):
        raise ValueError(f"{str(value)!r} is not longer than nothing")
    if span > LONGEST_TIMEOUT:
        raise ValueError(f"{str(value)!r} is longer than {LONGEST_TIMEOUT.days}d")
    return span


def _whole_up_to(most: int) -> Callable[[str | int], int]:
    def read(value: str | int) -> int:
        text = str(value).strip()
        if not (text.isascii() and text.isdecimal() and len(text) <= 9 and 1 <= int(text) <= most):
            raise ValueError(f"{value!r} is no whole number from 1 to {most}")
        return int(text)

    return read


def _rate(value: str | Rate) -> Rate:
    if isinstance(value, Rate):
        if value.count < 1 or value.per <= timedelta(0):
            raise ValueError(f"{value!r} lets nothing pass")
        return value
    try:
        return parse_rate(value)
    except ValueError as error:
        raise ValueError(f"{value!r} {error}") from None


def _unless_none(read: Callable[[Any], _T]) -> Callable[[Any], _T | None]:
    """`none` takes away a limit that the class has declared."""

    def read_or_none(value: Any) -> _T | None:
        if isinstance(value, str) and value.strip().lower() == "none":
            return None
        try:
            return read(value)
        except ValueError as error:
            raise ValueError(f"{error}; or write none") from None

    return read_or_none


def _span(value: object) -> timedelta:
    if not isinstance(value, timedelta) or value < timedelta(0):
        raise ValueError(f"{value!r} is no span of time; declare a timedelta")
    return value


def _kept_for(value: timedelta) -> timedelta | None:
    return None if value == FOR_EVER else _span(value)
