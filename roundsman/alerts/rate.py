"""How fast messages may leave: buckets of tokens, each for something that a service counts by itself.

A service may count several things at once, as Telegram does with the bot and the chat, and several channels may share
one of them. So a message needs a token of each bucket that its channel names, or waits for all of them.

The buckets are this process's own. Several daemons on one store share its messages, so each of them sends fewer; what
they still send too fast together, the service answers with a wait, which is obeyed.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

BURST = 10
"""Messages that may leave at once after a quiet time: a round finds a few late customers together, and both Slack and
Telegram bear short bursts above their rates. If one does not, its 429 with Retry-After is obeyed."""


@dataclass(frozen=True)
class Rate:
    """`burst` messages at once, and one more for each `every`. So in a time of n `every` at most burst + n leave."""

    key: str
    """What is counted; the same in all channels that share it. Holds no secret."""
    every: timedelta
    burst: int = BURST


class Buckets:
    """The buckets of one process. May be used from any thread; times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._paid_until: dict[str, float] = {}
        """Every message costs its `every`; `burst` of them may be owed."""
        self._lock = threading.Lock()

    def take(self, rates: Sequence[Rate], now: float) -> float:
        """Take a token of each bucket and return 0; or take none and return for how long there is none."""
        with self._lock:
            wait = self._wait(rates, now)
            if wait <= 0:
                for rate in rates:
                    paid = max(self._paid_until.get(rate.key, now), now)
                    self._paid_until[rate.key] = paid + rate.every.total_seconds()
            return wait

    def give_back(self, rates: Sequence[Rate]) -> None:
        """Nothing was sent after all."""
        with self._lock:
            for rate in rates:
                self._paid_until[rate.key] -= rate.every.total_seconds()

    def owe(self, rates: Sequence[Rate], messages: int) -> None:
        """So many more were sent, which nobody could know before: those that come next wait for it."""
        with self._lock:
            for rate in rates:
                self._paid_until[rate.key] += messages * rate.every.total_seconds()

    def wait(self, rates: Sequence[Rate], now: float) -> float:
        """For how many seconds there is no token of one of them."""
        with self._lock:
            return self._wait(rates, now)

    def _wait(self, rates: Sequence[Rate], now: float) -> float:
        return max((self._owed(rate, now) for rate in rates), default=0.0)

    def _owed(self, rate: Rate, now: float) -> float:
        ahead = max(self._paid_until.get(rate.key, now) - now, 0.0)
        owed = ahead - (rate.burst - 1) * rate.every.total_seconds()
        return owed if owed > 1e-6 else 0.0  # sums of many floats: less than this is nothing
