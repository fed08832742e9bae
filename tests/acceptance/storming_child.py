"""The victim of `test_kill_storm.py`: a loop in which incidents open by the dozen, rise, end, and are told to Slack.

It forks one life after another, as `alerting_child.py` does. How many incidents exist is the size of a file that the
test lets grow: the newest are open at level 1, older ones have risen, and those before them are over.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy.engine import URL

from roundsman.alerts.book import AlertBook, Condition
from roundsman.alerts.channels.base import Channel
from roundsman.alerts.channels.slack import SlackChannel
from roundsman.alerts.condition import Escalation
from roundsman.alerts.sender import Sender
from roundsman.alerts.templates import Language
from roundsman.clock import SystemClock
from roundsman.owner import Owner
from roundsman.repositories.alerts import AlertRepository, Resolution, Severity
from roundsman.repositories.audience import Audience
from roundsman.repositories.engine import Store, StoreOptions

KIND = "conversation_unreplied"
RISEN_BEFORE, OVER_BEFORE = 6, 12
"""Counted from the newest."""
SALES = Audience("Sales", digest_from=3)


def live(database: Path, incidents: Path, channels: Sequence[Channel]) -> None:
    """Open, raise and end incidents, and tell of them, until killed."""
    clock = SystemClock()
    store = Store(StoreOptions(URL.create("sqlite", database=str(database))))
    sender = Sender(
        store, clock, Owner.this_process(), channels, language=Language.ENGLISH, zone=ZoneInfo("Asia/Ho_Chi_Minh")
    )
    book = AlertBook(store, clock, [channel.name for channel in channels], sender.wake)
    sender.start()
    first = 0
    while True:
        count, since = incidents.stat().st_size, clock.now() - timedelta(minutes=20)
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


def main() -> None:
    database, incidents, webhook_url = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    channels = (SlackChannel("slack", SystemClock(), webhook_url=webhook_url, every=timedelta(0)),)
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            live(database, incidents, channels)
        print(pid, flush=True)  # noqa: T201 - the answer to the test


main()
