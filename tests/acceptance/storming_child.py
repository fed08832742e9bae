"""The victim of `test_kill_storm.py`: a loop in which incidents open by the dozen, rise, end, and are told to Slack.

The newest are open at level 1, older ones have risen, and those before them are over.
"""

import time
from datetime import timedelta
from pathlib import Path

from forked_lives import KIND, fork_lives

from roundsman.alerts.book import AlertBook, Condition
from roundsman.alerts.condition import Escalation
from roundsman.clock import SystemClock
from roundsman.repositories.alerts import AlertRepository, Resolution, Severity
from roundsman.repositories.audience import Audience
from roundsman.repositories.engine import Store

RISEN_BEFORE, OVER_BEFORE = 6, 12
"""Counted from the newest."""
SALES = Audience("Sales", digest_from=3)


def live(store: Store, book: AlertBook, incidents: Path) -> None:
    """Open, raise and end incidents until killed."""
    first = 0
    while True:
        count, since = incidents.stat().st_size, SystemClock().now() - timedelta(minutes=20)
        risen, over = max(count - RISEN_BEFORE, 0), max(count - OVER_BEFORE, 0)
        with store.read() as connection:
            known = {int(alert.subject) for alert in AlertRepository().latest(connection)}
        with book.transaction("monitor") as desk:
            desk.fire_all(
                [
                    Condition(KIND, str(n), Severity.MEDIUM, since, {}, {"customer_name": f"incident-{n}-"},
                              audience=SALES)
                    for n in range(count) if n not in known
                ]
            )  # fmt: skip
            desk.escalate_all([Escalation(f"{KIND}:{n}", 2, SALES) for n in range(first, risen)])
            desk.resolve_all({f"{KIND}:{n}": Resolution("answered", {"answered_at": "x"}) for n in range(first, over)})
        first = max(0, over - 2 * OVER_BEFORE)
        time.sleep(0.01)


fork_lives(live)
