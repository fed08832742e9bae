"""How often a message is tried before its channel is given up for it, by how bad the news is. Pure.

The worse the news, the more tries; all of them fit into five minutes, so that whatever its severity a message reaches
the next channel of its route, or the journal at priority crit, while that still helps. Only a try that the service
could have taken counts: a pause that it asks for to keep its pace does not, nor a wait behind a call that hangs. As a
line rests as a whole after a failure, a storm behind a channel that is down uses up the tries of few.
"""

from collections.abc import Mapping
from datetime import timedelta

from roundsman.repositories.alerts import Severity
from roundsman.retry import backoff

SPAN = timedelta(minutes=5)
"""From the first try to the last, at most. A service that asks to be left alone for longer is as good as gone."""
AFTERWARDS = timedelta(minutes=5)
"""Between two tries of what has no other channel to go to, at most: what is still wrong is never forgotten."""


def _seconds(*waits: float) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=each) for each in waits)


WAITS: Mapping[Severity, tuple[timedelta, ...]] = {
    Severity.CRITICAL: _seconds(2, 4, 8, 16, 30, 60, 60, 60, 60),
    Severity.HIGH: _seconds(5, 15, 60, 180),
    Severity.MEDIUM: _seconds(15, 240),
    Severity.LOW: _seconds(240),
    Severity.INFO: (),
}
"""Between one try and the next, at most: half of it to all of it, by chance."""


def tries(severity: Severity) -> int:
    """How many tries a message has."""
    return len(WAITS[severity]) + 1


def wait_after(severity: Severity, attempt: int) -> timedelta:
    """How long to wait after the given failed try (1 = the first)."""
    waits = WAITS[severity]
    most = waits[attempt - 1] if attempt <= len(waits) else AFTERWARDS
    return backoff(1, first=most, most=most)
