"""The victim of `test_kill_alerts.py`: a monitor-like loop that opens incidents and tells Slack or Telegram of them."""

import threading
import time
from datetime import timedelta
from pathlib import Path

from forked_lives import KIND, fork_lives

from roundsman.alerts.book import AlertBook, Condition
from roundsman.clock import SystemClock
from roundsman.repositories.alerts import Resolution, Severity
from roundsman.repositories.audience import Audience
from roundsman.repositories.engine import Store

ALONE = Audience(digest_from=1000)
"""Each is told in a message of its own, so that the test can count them."""
WINDOW = 20
"""A round reports the newest incidents again, as a monitor does; the first round of a life reports all."""


def live(_: Store, book: AlertBook, incidents: Path) -> None:
    """Open incidents until killed; end all of them when the test says so."""
    first = 0
    while not incidents.with_name("over").exists():
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

    with book.transaction("monitor") as desk:
        desk.resolve_all({f"{KIND}:c{n}": Resolution("answered") for n in range(incidents.stat().st_size)})
    threading.Event().wait()


fork_lives(live)
