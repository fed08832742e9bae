"""Drives the queue from a command where no daemon does, as long as somebody at a terminal waits for a run.

It is the daemon's engine with the daemon's rules: what it has begun when it is interrupted goes back to the queue and
costs no attempt, and what it leaves behind when it is killed is freed by whoever drives runs next.
"""

from types import TracebackType
from typing import Self

from roundsman.clock import Clock
from roundsman.lifecycle import SignalInbox
from roundsman.runs import shift
from roundsman.runs.crew import GRACE
from roundsman.runs.engine import Engine
from roundsman.runs.reconciler import Reconciler

_LOOK_EVERY_S = 0.05
_RECONCILE_EVERY_S = 30.0
_FINISHES_WITHIN_S = 1.0
"""How long steps may go on after Ctrl-C before they are asked to stop; a second one does not wait."""


class Interrupted(BaseException):
    """A signal came; `status` is the exit code that a shell expects then."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Deputy:
    """Use as a context manager in the main thread: it drives until the end of the block."""

    def __init__(self, engine: Engine, reconciler: Reconciler, clock: Clock) -> None:
        self._engine = engine
        self._reconciler = reconciler
        self._clock = clock
        self._signals = SignalInbox()
        self._reconcile_at = 0.0
        self._interrupted = False

    def __enter__(self) -> Self:
        self._reconcile()
        self._signals.__enter__()
        try:
            self._engine.start()
        except BaseException:
            self._signals.__exit__()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        try:
            patience_s = _FINISHES_WITHIN_S if self._interrupted else GRACE.total_seconds()
            shift.end(self._engine, lambda: self._idle(patience_s))
        finally:
            self._signals.__exit__()

    def pause(self) -> None:
        """Let a moment pass. Raises Interrupted, StoreError, and RoundsmanError if it drives no more."""
        number = self._signals.take(_LOOK_EVERY_S)
        if number is not None:
            self._interrupted = True
            raise Interrupted(128 + number)
        shift.assert_alive(self._engine)
        if self._clock.monotonic() >= self._reconcile_at:
            self._reconcile()

    def _reconcile(self) -> None:
        self._reconciler.run_once()
        self._engine.wake()
        self._reconcile_at = self._clock.monotonic() + _RECONCILE_EVERY_S

    def _idle(self, seconds: float) -> bool:
        """Wait until nothing is held, so long, or until another signal."""
        for _ in range(round(seconds / _LOOK_EVERY_S)):
            if self._engine.wait_idle(_LOOK_EVERY_S):
                return True
            if self._signals.take(0) is not None:
                break
        return False
