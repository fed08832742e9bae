"""What a step may do beside returning a result: recorded calls, progress, lines in the run's log."""

import logging
from collections.abc import Callable, MutableMapping
from typing import Any

from roundsman import logs
from roundsman.clock import Clock
from roundsman.fsm.workflow import Fail
from roundsman.repositories.run_record import LogLine, Unit, UnitKind
from roundsman.runs.decision import ChangedStepError
from roundsman.runs.fitness import as_stored
from roundsman.runs.held import CallMade, Held
from roundsman.scheduling.job import StoppedError

LONGEST_LINE = 4_000
"""Characters of a line in the run's own log; the journal has all of it."""

_log = logging.getLogger("roundsman.run")


class StepRecorder:
    """For one attempt of one step; lives in the worker's thread. `deliver` brings a call to the engine."""

    def __init__(self, held: Held, clock: Clock, deliver: Callable[[CallMade], None]) -> None:
        self._held = held
        self._clock = clock
        self._deliver = deliver
        self.calls = 0
        """Made so far, recorded earlier or just now."""

    def call(self, name: str, work: Callable[[], Any]) -> Any:
        """See `RunContext.call`. Raises ChangedStepError, and StoppedError when the run is no longer ours."""
        held, place = self._held, self.calls
        if not isinstance(name, str):
            raise Fail(f"a call is recorded under a text, not under {name!r}")
        if place < len(held.recorded):
            unit = held.recorded[place]
            if unit.name != name:
                raise ChangedStepError(
                    f"the record of this run has the call {unit.name!r} as number {unit.sequence}, and the workflow "
                    f"now calls {name!r} there; submit it anew, or bring back the workflow that it was begun with"
                )
            self.calls += 1
            return unit.result
        held.stop.check()
        started = self._clock.now()
        answer = work()
        try:
            answer = as_stored(answer)
        except (TypeError, ValueError, RecursionError) as error:
            raise Fail(f"the call {name!r} answered something that cannot be stored as JSON: {error}") from None
        unit = Unit(
            held.id, held.sequence + place, UnitKind.CALL, name, held.state, None, None, answer, held.attempt + 1,
            started, self._clock.now(),
        )  # fmt: skip
        made = CallMade(held, unit)
        self._wait_for(made)
        if made.lost:
            raise StoppedError(held.stop.reason)
        self.calls += 1
        return answer

    def _wait_for(self, made: CallMade) -> None:
        """Until it is recorded. That is the store's time and not the step's, which is not given up meanwhile."""
        held, asked = self._held, self._clock.monotonic()
        begun = held.begun
        held.calling, held.begun = True, None
        self._deliver(made)
        made.stored.wait()
        held.begun = None if begun is None else begun + self._clock.monotonic() - asked
        held.calling = False

    def check_end(self) -> None:
        """A step that ends must have made all the calls that an earlier attempt had recorded."""
        if self.calls < len(self._held.recorded):
            missing = self._held.recorded[self.calls]
            raise ChangedStepError(
                f"the record of this run has the call {missing.name!r} as number {missing.sequence}, and the workflow "
                "no longer makes it; submit it anew, or bring back the workflow that it was begun with"
            )

    def progress(self, percent: int) -> None:
        """See `RunContext.progress`. Raises ValueError."""
        if not 0 <= percent <= 100:
            raise ValueError(f"progress is a number from 0 to 100, not {percent}")
        self._held.shown_progress = int(percent)


class RunLog(logging.LoggerAdapter[logging.Logger]):
    """Lines with the run's fields, also kept with the run itself."""

    def __init__(self, held: Held, step: str, clock: Clock) -> None:
        super().__init__(_log, None)
        self._held = held
        self._step = step
        self._clock = clock

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if not self.isEnabledFor(level):
            return
        # One more frame than the library's own: this method
        super().log(level, msg, *args, **{**kwargs, "stacklevel": kwargs.get("stacklevel", 1) + 1})
        try:
            text = str(msg) % args if args else str(msg)
        except (TypeError, ValueError):
            text = f"{msg} {args!r}"
        line = LogLine(
            self._held.id, self._clock.now(), logging.getLevelName(level).lower(), self._step,
            logs.redact(text)[:LONGEST_LINE],
        )  # fmt: skip
        self._held.lines.append(line)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        run = self._held.run
        own = {
            "RUN_ID": str(run.id),
            "WORKFLOW": run.workflow,
            "STEP": self._step,
            "CORRELATION_ID": run.correlation_id,
        }
        kwargs["extra"] = {**own, **(kwargs.get("extra") or {})}
        return msg, kwargs
