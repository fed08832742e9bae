"""A run that this process holds: what its steps read, and where it is between the engine and a worker."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from roundsman.fsm.registry import WorkflowFacts
from roundsman.fsm.workflow import Step, StepResult
from roundsman.message import Message
from roundsman.repositories.run_claims import ClaimedRun
from roundsman.repositories.run_record import LogLine, Unit
from roundsman.scheduling.job import StopToken


@dataclass(frozen=True)
class Prepared:
    """A workflow, built with its parts."""

    facts: WorkflowFacts
    steps: Mapping[str, Step]


@dataclass(slots=True, eq=False)
class Held:
    """One run under this process's claim. Only the engine's thread changes it, but for the marked fields."""

    run: ClaimedRun
    message: Message
    prepared: Prepared
    state: str
    data: Mapping[str, Any]
    sequence: int
    attempt: int
    """Failed ones of the present step."""
    crashes: int
    progress: int
    stop: StopToken
    recorded: list[Unit] = field(default_factory=list)
    """The calls of the present step that are in the record already. Grown while the step waits for that."""
    lines: deque[LogLine] = field(default_factory=deque)
    """What the run said and is not yet stored. Grown by the worker."""
    shown_progress: int | None = None
    """To be stored. Set by the worker."""
    begun: float | None = None
    """When the worker took it, monotonic; None while it waits for one, and once the step has ended. Set by the worker,
    and moved by the time that the step waits for the store: that is no time of its own."""
    calling: bool = False
    """The step waits until a call is recorded. Set by the worker."""
    told: float | None = None
    """When its step was told to stop, monotonic: it has a grace from then on."""
    given_up: bool = False
    """It is somebody else's now: whatever its worker still says is dropped."""
    replaced: bool = False
    """The worker that is at its step has a successor, and ends with the step. Set under the lock of the workers."""

    @property
    def id(self) -> int:
        return self.run.id

    @property
    def token(self) -> int:
        return self.run.token

    @property
    def at_work(self) -> bool:
        """Whether a worker is at its step."""
        return self.begun is not None or self.calling


@dataclass(slots=True, eq=False)
class StepEnded:
    """A worker is through with one attempt of a step."""

    held: Held
    name: str
    started_at: datetime
    finished_at: datetime
    result: StepResult | None
    error: BaseException | None = None
    calls: int = 0
    """How many recorded calls it made."""


@dataclass(slots=True, eq=False)
class CallMade:
    """A step did something outside and waits until that is recorded."""

    held: Held
    unit: Unit
    stored: threading.Event = field(default_factory=threading.Event)
    lost: bool = False
    """The claim was lost, so nothing was recorded."""
