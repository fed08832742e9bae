"""The victim of `test_kill_alerts.py`: a monitor-like loop that opens incidents and tells Slack of them."""

import time
from datetime import timedelta
from pathlib import Path

from forked_lives import KIND, fork_lives

from roundsman.alerts.book import AlertBook, Condition
from roundsman.clock import SystemClock
from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import Audience
from roundsman.repositories.engine import Store

ALONE = Audience(digest_from=1000)
"""Each is told in a message of its own, so that the test can count them."""
WINDOW = 20
"""A round reports the newest incidents again, as a monitor does; the first round of a life reports all."""


def live(_: Store, book: AlertBook, incidents: Path) -> None:
    """Open incidents until killed."""
    first = 0
    while True:
        count = incidents.stat().st_size
        since = SystemClock().now() - timedelta(minutes=20)
        with book.transaction("monitor") as desk:
            desk.fire_all(
                [
                    Condition(
                        KIND, f"c{n}", Severity.MEDIUM, since, {}, {"customer_name": f"incident-{n}-"}, audience=ALONE
                    )
                    for n in range(first, count)
                ]
            )
        first = max(0, count - WINDOW)
        time.sleep(0.01)


fork_lives(live)
