"""The victim of `test_kill_fallback.py`: a loop that opens incidents for a Slack which refuses some, and a second one.

It forks one life after another, as `alerting_child.py` does.
"""

import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy.engine import URL

from roundsman.alerts.book import AlertBook, Condition
from roundsman.alerts.channels.slack import SlackChannel
from roundsman.alerts.sender import Sender
from roundsman.alerts.templates import Language
from roundsman.clock import SystemClock
from roundsman.owner import Owner
from roundsman.repositories.alerts import Resolution, Severity
from roundsman.repositories.audience import Audience
from roundsman.repositories.engine import Store, StoreOptions

KIND = "conversation_unreplied"
OVER_BEFORE = 100
"""Counted from the newest: older ones are over."""
TO_SECOND = Audience(channels=("slack",), fallback=("second",))


def live(database: Path, incidents: Path, first_url: str, second_url: str) -> None:
    """Open and end incidents, and tell of them, until killed."""
    clock = SystemClock()
    store = Store(StoreOptions(URL.create("sqlite", database=str(database))))
    channels = [
        SlackChannel(name, clock, webhook_url=url, every=timedelta(0))
        for name, url in (("slack", first_url), ("second", second_url))
    ]
    sender = Sender(
        store, clock, Owner.this_process(), channels, language=Language.ENGLISH, zone=ZoneInfo("Asia/Ho_Chi_Minh")
    )
    book = AlertBook(store, clock, [channel.name for channel in channels], sender.wake)
    sender.start()
    while True:
        count, since = incidents.stat().st_size, clock.now() - timedelta(minutes=20)
        over = max(count - OVER_BEFORE, 0)
        with store.read() as connection:
            known = {int(name) for (name,) in connection.exec_driver_sql(
                "SELECT substr(fingerprint, 24) FROM alerts")}  # fmt: skip
        with book.transaction("monitor") as desk:
            desk.fire_all(
                [
                    Condition(KIND, str(n), Severity.MEDIUM, since, {}, {"customer_name": f"incident-{n}-"},
                              audience=TO_SECOND)
                    for n in range(count) if n not in known
                ]
            )  # fmt: skip
            desk.resolve_all({f"{KIND}:{n}": Resolution("answered", {"answered_at": "x"}) for n in range(over)})
        time.sleep(0.01)


def main() -> None:
    database, incidents, url = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[4]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            live(database, incidents, url, f"{url}-second")
        print(pid, flush=True)  # noqa: T201 - the answer to the test


main()
