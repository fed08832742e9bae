"""Which keys this process has sent: SQS drops a duplicate without a word, and does not tell of which message it is."""

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta

from roundsman.clock import Clock

SQS_REMEMBERS = timedelta(minutes=5)
"""Whatever another window says, a FIFO queue drops what comes sooner (developer guide, exactly-once processing)."""


class Duplicates:
    """Ids by key, within the window. What other processes sent is known to SQS alone."""

    def __init__(self, window: timedelta, clock: Clock) -> None:
        self._window, self._clock = max(window, SQS_REMEMBERS), clock
        self._lock = threading.Lock()
        self._sent: dict[str, tuple[str, datetime]] = {}

    def first(self, key: str, new_id: str) -> str:
        """The id of the first message with this key: `new_id` when this is it."""
        with self._lock:
            now = self._clock.now()
            # they are in the order in which their windows end
            for old in list(self._sent):
                if now < self._sent[old][1]:
                    break
                del self._sent[old]
            return self._sent.setdefault(key, (new_id, now + self._window))[0]

    def forget(self, ids: Iterable[str]) -> None:
        """They were not sent after all."""
        gone = set(ids)
        with self._lock:
            self._sent = {key: one for key, one in self._sent.items() if one[0] not in gone}
