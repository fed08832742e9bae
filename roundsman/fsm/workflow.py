"""A workflow: a named machine and the steps that work in its states.

    class Greeting(Workflow):
        name = "greeting"
        machine = Machine("new", [Transition("new", "greeted", "done")], finals={"done": Final.COMPLETED})

        def __init__(self, greetings: Greetings) -> None:    # the parts it needs, found by their type
            self._greetings = greetings

        def check(self, data: Mapping[str, Any]) -> None:
            if not isinstance(data.get("name"), str):
                raise BadInputError("name: is missing; give the name of whoever is greeted.")

        def steps(self) -> Mapping[str, Step]:
            return {"new": self.greet}

        def greet(self, ctx: RunContext) -> StepResult:
            return Next("greeted", {"text": ctx.call("send", lambda: self._greetings.send(ctx.input["name"]))})

Every state that is not final has one step. It returns what happens next, or raises: `Retry` (again later, if
attempts are left), `Fail` (no use in trying again), anything else counts as `Retry`. The name of its method is
recorded with what it did. A machine that has an event `failed` in a state leads failures there; in any other state
they end the run as failed, in that state, from which it can be retried.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from roundsman.fsm.context import RunContext
from roundsman.fsm.machine import FAILED as FAILED  # the engine finds it beside the other words of steps
from roundsman.fsm.machine import Machine
from roundsman.message import Rate

FOR_EVER = timedelta.max

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Next:
    """Go on: the machine takes this event."""

    event: str
    patch: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    """Replaces these keys of the run's data."""


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Do nothing until then; the machine takes `event` at that time, without the step being called again."""

    at: datetime
    event: str
    patch: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Wait for one of these events from outside (`roundsman runs signal RUN EVENT`), at most until a time."""

    events: tuple[str, ...]
    until: datetime | None = None
    on_time: str | None = None
    """The event to take when `until` has come; both or none."""
    patch: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


def review(patch: Mapping[str, Any] = _NOTHING) -> WaitFor:
    """Wait until a person has looked at it: `approve` or `reject`."""
    return WaitFor(("approve", "reject"), patch=patch)


StepResult = Next | WaitUntil | WaitFor


class Retry(Exception):  # noqa: N818  the word that steps read best with: `raise Retry("...")`
    """Not now: try this step again, after this time or after the workflow's backoff. Costs an attempt."""

    def __init__(self, reason: str, after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after


class Fail(Exception):  # noqa: N818  as above
    """Never: the run takes `failed`, or ends as failed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Step = Callable[[RunContext], StepResult]


class Workflow(ABC):
    """Facts, machine and steps. Facts can be overridden: WORKFLOW_<NAME>_CONCURRENCY, _TIMEOUT, _ATTEMPTS, _RATE."""

    name: ClassVar[str]
    """Lower case with underscores; unique; part of the environment names."""
    machine: ClassVar[Machine]
    timeout: ClassVar[timedelta | None] = None
    """Of one attempt of one step; None means the daemon's own (WORKER_TIMEOUT)."""
    attempts: ClassVar[int | None] = None
    """Of one step before it has failed for good; None means the daemon's own (MAX_RETRY + 1)."""
    concurrency: ClassVar[int | None] = None
    """Runs under way at a time, over all daemons; None means no limit of its own."""
    rate: ClassVar[Rate | None] = None
    """Runs begun or continued, over all daemons."""
    backoff: ClassVar[timedelta] = timedelta(seconds=2)
    """Before the second attempt; doubles with each further one, up to five minutes."""
    kept_for: ClassVar[timedelta | None] = None
    """A finished run is removed after so long, or never (FOR_EVER); None means the daemon's own (RUN_TTL_HOURS)."""

    def check(self, data: Mapping[str, Any]) -> None:  # noqa: B027  to let every input pass is a choice, too
        """Judge the input of a run before anything is stored. Raises BadInputError naming the field."""

    @abstractmethod
    def steps(self) -> Mapping[str, Step]:
        """The step of each state that is not final."""
