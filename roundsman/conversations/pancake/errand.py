"""On whose behalf requests are made: who may stop them, until when they are of use, and how many there were."""

from collections.abc import Callable
from datetime import timedelta

from roundsman.clock import Clock
from roundsman.conversations.pancake.fault import Fault, PancakeError
from roundsman.scheduling.job import StopToken

Pause = Callable[[StopToken, float], bool]
"""Waits so many seconds; true when it was stopped. Tests let a clock run instead."""


class Errand:
    """One errand, of one thread."""

    def __init__(self, clock: Clock, stop: StopToken, seconds: float, pause: Pause = StopToken.wait) -> None:
        self.stop = stop
        self.requests = 0
        self._clock = clock
        self._ends = clock.monotonic() + seconds
        self._pause = pause

    def seconds_left(self) -> float:
        """Until nobody waits for it any more."""
        return self._ends - self._clock.monotonic()

    def wait_until(self, moment: float) -> None:
        """Wait for a moment of the clock's monotonic seconds.

        Raises StoppedError, and PancakeError when the errand ends before that.
        """
        self.stop.check()
        seconds = moment - self._clock.monotonic()
        if self.seconds_left() <= max(seconds, 0.0):
            raise PancakeError(Fault.TEMPORARY, "There was no time left to ask Pancake.")
        if seconds > 0 and self._pause(self.stop, seconds):
            self.stop.check()

    def rest(self, pause: timedelta) -> None:
        """Wait so long. Raises as `wait_until` does."""
        self.wait_until(self._clock.monotonic() + pause.total_seconds())
