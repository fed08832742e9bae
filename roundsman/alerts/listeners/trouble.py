"""What a listener does while its service or the store is away: it says so once, and waits longer each time."""

import logging
from datetime import timedelta

from roundsman.alerts.channels.base import DeliveryError, Fault
from roundsman.retry import backoff

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=1)
REFUSED_PAUSE = timedelta(minutes=5)
"""After a token was refused: somebody may put it right at the service."""
LONGEST_RETRY_AFTER = timedelta(hours=1)

log = logging.getLogger(__name__)


class Trouble:
    """The failures in a row of one listener."""

    def __init__(self, service: str, first: timedelta = FIRST_PAUSE) -> None:
        self._service = service
        self._first = first
        self._failures = 0

    def over(self) -> None:
        """It works."""
        if self._failures:
            log.info("Answers on %s are heard again", self._service)
        self._failures = 0

    def pause_after(self, error: DeliveryError) -> timedelta:
        """How long to leave the service alone: at least as long as it asks for."""
        pause = self.pause(error.reason)
        if error.fault is Fault.CHANNEL:
            pause = REFUSED_PAUSE
        return max(pause, min(error.retry_after or timedelta(0), LONGEST_RETRY_AFTER))

    def pause(self, reason: str) -> timedelta:
        """How long to wait after what is no answer of the service."""
        self._failures += 1
        if self._failures == 1:  # the same sentence every minute would bury the log
            log.warning("Answers on %s are not heard at the moment: %s", self._service, reason)
        return backoff(self._failures, first=self._first, most=LONGEST_PAUSE)
