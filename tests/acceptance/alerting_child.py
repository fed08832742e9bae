"""The victim of `test_kill_alerts.py`: a monitor-like loop that opens incidents and tells Slack of them.

Started once, it imports everything and then forks one life after another: a life costs milliseconds instead of the
start of an interpreter, so two hundred kills fit into seconds. It reads one line per life from stdin and answers
with the PID. How many incidents exist is the size of a file that the test lets grow.
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
from roundsman.alerts.sender import Sender
from roundsman.alerts.templates import Language
from roundsman.clock import SystemClock
from roundsman.owner import Owner
from roundsman.repositories.alerts import Severity
from roundsman.repositories.engine import Store, StoreOptions

KIND = "conversation_unreplied"
WINDOW = 20
"""A round reports the newest incidents again, as a monitor does; the first round of a life reports all."""


def live(database: Path, incidents: Path, channels: Sequence[Channel]) -> None:
    """Open incidents and tell of them, until killed."""
    clock = SystemClock()
    store = Store(StoreOptions(URL.create("sqlite", database=str(database))))
    sender = Sender(
        store, clock, Owner.this_process(), channels, language=Language.ENGLISH, zone=ZoneInfo("Asia/Ho_Chi_Minh")
    )
    book = AlertBook(store, clock, [channel.name for channel in channels], sender.wake)
    sender.start()
    first = 0
    while True:
        count = incidents.stat().st_size
        since = clock.now() - timedelta(minutes=20)
        with book.transaction("monitor") as desk:
            desk.fire_all(
                [
                    Condition(KIND, f"c{n}", Severity.MEDIUM, since, {}, {"customer_name": f"incident-{n}-"})
                    for n in range(first, count)
                ]
            )
        first = max(0, count - WINDOW)
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
