"""What a step is given: its run's input and data, and the few things that it may do beside returning a result."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from roundsman.clock import Clock
from roundsman.scheduling.job import StopToken

T = TypeVar("T")


class Recorder(Protocol):
    """Whoever keeps the record of a run: the engine."""

    def call(self, name: str, work: Callable[[], Any]) -> Any:
        """See `RunContext.call`."""
        ...

    def progress(self, percent: int) -> None:
        """See `RunContext.progress`."""
        ...


@dataclass(frozen=True, slots=True)
class RunContext:
    """One attempt of one step of one run."""

    run_id: int
    workflow: str
    state: str
    input: Mapping[str, Any]
    """As submitted. Untrusted, but for what the workflow's own check has let pass."""
    data: Mapping[str, Any]
    """What the steps before have patched."""
    attempt: int
    """From 1."""
    correlation_id: str
    """Belongs into every request that the step makes, so that a run can be followed through other systems."""
    clock: Clock
    log: logging.LoggerAdapter[logging.Logger]
    """Lines carry RUN_ID and are kept with the run (`roundsman runs logs`)."""
    stop: StopToken
    """Set at the step's timeout, at a shutdown and when the run was cancelled. Wait on it instead of sleeping."""
    recorder: Recorder

    def call(self, name: str, work: Callable[[], T]) -> T:
        """Do something outside once: its answer (JSON) is recorded, and a repeated attempt is given the record.

        The calls of a step must come in the same order and under the same names each time; a run whose record names
        another call fails loudly. When the process dies between the work and its record, the work is done again, so
        give the other side a key to recognise it by, such as the run's id.
        """
        answer: T = self.recorder.call(name, work)
        return answer

    def progress(self, percent: int) -> None:
        """Tell how far the run is, 0 to 100; people see it at once, it is stored within a second."""
        self.recorder.progress(percent)
