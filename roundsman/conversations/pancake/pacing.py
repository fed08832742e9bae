"""How often a page may be asked: five times within any second, whoever asks, and after a refusal not for a while."""

import threading
from collections import deque
from datetime import timedelta

from roundsman.clock import Clock

REQUESTS = 5
WINDOW_S = 1.05
"""A second, and what requests may lose or gain on each other on their way."""
FIRST_REST = timedelta(seconds=2)
LONGEST_REST = timedelta(seconds=60)


class _Page:
    """What was asked of one page lately."""

    def __init__(self) -> None:
        self.moments: deque[float] = deque(maxlen=REQUESTS)
        self.rests_until = 0.0
        self.refusals = 0


class Pacing:
    """Hands out moments for requests. Moments are the clock's monotonic seconds. Safe to use from many threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._pages: dict[str, _Page] = {}

    def next_moment(self, page_id: str) -> float:
        """The moment at which the next request may be sent. It is the caller's from now on."""
        with self._lock:
            page = self._page(page_id)
            moment = max(self._clock.monotonic(), page.rests_until)
            if len(page.moments) == REQUESTS:
                moment = max(moment, page.moments[0] + WINDOW_S)
            page.moments.append(moment)
            return moment

    def refused(self, page_id: str) -> None:
        """It was asked too often, by us or by another program with the same page: rest, each time twice as long."""
        with self._lock:
            page = self._page(page_id)
            page.refusals += 1
            rest = min(FIRST_REST * 2 ** min(page.refusals - 1, 10), LONGEST_REST)
            page.rests_until = max(page.rests_until, self._clock.monotonic() + rest.total_seconds())

    def accepted(self, page_id: str) -> None:
        """It answers again."""
        with self._lock:
            self._page(page_id).refusals = 0

    def _page(self, page_id: str) -> _Page:
        return self._pages.setdefault(page_id, _Page())
