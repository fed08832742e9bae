"""A channel's line: its thread, and when it may be used next, after messages and after failures.

All times are seconds of the monotonic clock. No waiting happens here.
"""

import threading
from dataclasses import dataclass
from datetime import timedelta

from roundsman.alerts.channels.base import Channel
from roundsman.alerts.delivery import Delivered
from roundsman.retry import backoff

LONGEST_REST = timedelta(minutes=1)
"""Of a channel that fails without naming a time: a service that is back is noticed within this."""


@dataclass
class Line:
    """The state of one channel in the sender."""

    channel: Channel
    open_at: float = 0.0
    """Nothing is sent before."""
    beat: float = 0.0
    """When its thread came round last."""
    woken: bool = False
    closing: bool = False
    thread: threading.Thread | None = None
    _failures: int = 0
    """In a row."""

    def account(self, delivered: Delivered, asked: timedelta | None, now: float, rest: float) -> None:
        """Take note of a delivery. `asked`: how long the service wants to be left alone; `rest`: by its rates."""
        if delivered in (Delivered.RETRY_LATER, Delivered.PASSED_ON):
            # The whole channel rests: what one message met, the next would most likely meet as well
            self._failures += 1
            rest = max(rest, (asked or backoff(self._failures, most=LONGEST_REST)).total_seconds())
        elif delivered is not Delivered.NOTHING:
            self._failures = 0
        self.open_at = now + rest
