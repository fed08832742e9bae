"""A run in memory, without store, queue or threads: for the tests of a workflow, one's own included.

    clock = ManualClock(datetime(2026, 3, 3, tzinfo=UTC))
    run = Rehearsal(Greeting(greetings), {"name": "Mai"}, clock)
    run.go()
    assert (run.state, run.data) == ("done", {"text": "Good morning, Mai"})

It takes each step as the engine does, with the same rules for failures; but an attempt after a failed one is made at
once, and when the run waits, the test moves the clock and calls `go` again, or sends a `signal`.
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from roundsman.clock import Clock
from roundsman.fsm.context import RunContext
from roundsman.fsm.machine import FAILED, Final
from roundsman.fsm.registry import steps_of
from roundsman.fsm.workflow import Fail, Next, StepResult, WaitFor, WaitUntil, Workflow
from roundsman.scheduling.job import StoppedError, StopToken

_log = logging.getLogger(__name__)


class Rehearsal:
    """One run. What a test asks for are its attributes."""

    def __init__(self, workflow: Workflow, data: Mapping[str, Any], clock: Clock, *, attempts: int = 4) -> None:
        """`data` is the input. Raises BadInputError if the workflow refuses it, ConfigurationError for unfit steps."""
        workflow.check(data)
        self.state = workflow.machine.initial
        self.input: Mapping[str, Any] = _as_stored(data)
        self.data: Mapping[str, Any] = {}
        self.ended: Final | None = None
        self.error: str | None = None
        """Why the last attempt failed that did."""
        self.waits: WaitUntil | WaitFor | None = None
        self.progress = 0
        self.attempts: list[str] = []
        """The names of the steps in the order of their attempts."""
        self.calls: list[str] = []
        """What was done outside: a recorded call is not made again."""
        self.stop = StopToken()
        self._workflow = workflow
        self._steps = steps_of(workflow)
        self._clock = clock
        self._attempts = attempts

    def go(self) -> None:
        """On, until the run ends or waits for something that has not come. Raises StoppedError as the step did."""
        while self.ended is None:
            if self.waits is None:
                self._step()
            elif (event := self._due(self.waits)) is not None:
                self._take(event, {})
            else:
                return

    def signal(self, event: str) -> None:
        """An event from outside, then on. Raises ValueError if the run does not wait for it."""
        if not isinstance(self.waits, WaitFor) or event not in self.waits.events:
            raise ValueError(f"the run does not wait for {event!r} but for {self.waits}")
        self._take(event, {})
        self.go()

    def _step(self) -> None:
        recorded: dict[int, tuple[str, Any]] = {}
        for attempt in range(1, self._attempts + 1):
            try:
                result = self._attempt(attempt, recorded)
                break
            except StoppedError:
                raise
            except Exception as error:  # noqa: BLE001  whatever a step raises costs an attempt
                self.error = str(error)
                if isinstance(error, Fail):
                    self._fail()
                    return
        else:
            self._fail()
            return
        if isinstance(result, Next):
            self._take(result.event, result.patch)
        else:
            self.data = {**self.data, **_as_stored(result.patch)}
            self.waits = result

    def _attempt(self, attempt: int, recorded: dict[int, tuple[str, Any]]) -> StepResult:
        step = self._steps[self.state]
        self.attempts.append(step.__name__)
        return step(
            RunContext(
                1, self._workflow.name, self.state, self.input, self.data, attempt, "rehearsal", self._clock,
                logging.LoggerAdapter(_log), self.stop, _Recorder(self, recorded),
            )
        )  # fmt: skip

    def _due(self, waits: WaitUntil | WaitFor) -> str | None:
        if isinstance(waits, WaitUntil):
            return waits.event if self._clock.now() >= waits.at else None
        return waits.on_time if waits.until is not None and self._clock.now() >= waits.until else None

    def _take(self, event: str, patch: Mapping[str, Any]) -> None:
        data = {**self.data, **_as_stored(patch)}
        self.state, self.data, self.waits = self._workflow.machine.step(self.state, event, data), data, None
        self.ended = self._workflow.machine.finals.get(self.state)

    def _fail(self) -> None:
        if self._workflow.machine.takes(self.state, FAILED):
            self._take(FAILED, {"failure": {"state": self.state, "reason": self.error}})
        else:
            self.ended = Final.FAILED


class _Recorder:
    """Of one attempt; `recorded` lives as long as the step."""

    def __init__(self, run: Rehearsal, recorded: dict[int, tuple[str, Any]]) -> None:
        self._run = run
        self._recorded = recorded
        self._place = 0

    def call(self, name: str, work: Callable[[], Any]) -> Any:
        place, self._place = self._place, self._place + 1
        if place not in self._recorded:
            self._run.calls.append(name)
            self._recorded[place] = (name, _as_stored(work()))
        earlier, answer = self._recorded[place]
        if earlier != name:
            raise Fail(f"the call {earlier!r} was recorded at this place, and now it is {name!r}")
        return answer

    def progress(self, percent: int) -> None:
        self._run.progress = percent


def _as_stored(value: Any) -> Any:
    """Raises TypeError or ValueError for what is not JSON."""
    return json.loads(json.dumps(value, allow_nan=False))
