"""Lives that are forked from a process which has everything imported already, to be killed: see `alert_lives.py`.

A life costs milliseconds instead of the start of an interpreter, so two hundred kills fit into seconds. The process
reads one line per life from stdin and answers with its PID.
"""

import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy.engine import URL

from roundsman.alerts.book import AlertBook
from roundsman.alerts.channels.slack import SlackChannel
from roundsman.alerts.sender import Sender
from roundsman.alerts.templates import Language
from roundsman.clock import SystemClock
from roundsman.owner import Owner
from roundsman.repositories.engine import Store, StoreOptions

KIND = "conversation_unreplied"

Living = Callable[[Store, AlertBook, Path], None]
"""What a life does until it is killed. The size of the file is the number of incidents that there are; the test lets
it grow."""


def fork_lives(live: Living) -> None:
    """Until stdin ends. The arguments of the program are the database, the file of the incidents, and Slack's URL."""
    database, incidents, webhook_url = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    clock = SystemClock()
    channel = SlackChannel("slack", clock, webhook_url=webhook_url, every=timedelta(0))
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            store = Store(StoreOptions(URL.create("sqlite", database=str(database))))
            sender = Sender(
                store, clock, Owner.this_process(), [channel],
                language=Language.ENGLISH, zone=ZoneInfo("Asia/Ho_Chi_Minh"),
            )  # fmt: skip
            sender.start()
            live(store, AlertBook(store, clock, [channel.name], sender.wake), incidents)
        print(pid, flush=True)  # noqa: T201 - the answer to the test
