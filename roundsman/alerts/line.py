"""A channel's line: its thread, and when it may be used next, after messages and after failures.

All times are seconds of the monotonic clock. No waiting happens here.
"""

import threading
from dataclasses import dataclass
from datetime import timedelta

from roundsman.alerts.channels.base import Channel
from roundsman.alerts.delivery import Delivered
from roundsman.retry import backoff

BURST = 10
"""Messages that may leave at once after a quiet time: a round finds a few late customers together, and both Slack and
Telegram bear short bursts above their rates. If one does not, its 429 with Retry-After is obeyed."""
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
    _paid_until: float = 0.0
    """Every message costs one `min_interval`; BURST of them may be owed."""

    def account(self, delivered: Delivered, asked: timedelta | None, now: float) -> None:
        """Take note of a delivery. `asked`: how long the service wants to be left alone."""
        if delivered is Delivered.NOTHING:
            return
        interval = self.channel.min_interval.total_seconds()
        self._paid_until = max(self._paid_until, now) + interval
        rest = self._paid_until - now - (BURST - 1) * interval
        if delivered is Delivered.RETRY_LATER:
            # The whole channel rests: what one message met, the next would most likely meet as well
            self._failures += 1
            rest = max(rest, (asked or backoff(self._failures, most=LONGEST_REST)).total_seconds())
        else:
            self._failures = 0
        self.open_at = now + max(rest, 0.0)
