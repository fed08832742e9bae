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
from roundsman.alerts.channels.base import Channel
from roundsman.alerts.channels.slack import SlackChannel
from roundsman.alerts.channels.telegram import TelegramChannel
from roundsman.alerts.sender import Sender
from roundsman.alerts.templates import Language
from roundsman.clock import Clock, SystemClock
from roundsman.owner import Owner
from roundsman.repositories.engine import Store, StoreOptions

KIND = "conversation_unreplied"

CHAT = "-100200"
"""On Telegram."""
Living = Callable[[Store, AlertBook, Path], None]
"""What a life does until it is killed. The size of the file is the number of incidents that there are; the test lets
it grow."""


class Hurried(TelegramChannel):
    """The rates would make hours of it."""

    def __init__(self, clock: Clock, url: str) -> None:
        super().__init__("telegram", clock, bot_token="1:abcdefghijk", target=CHAT, api_url=url)
        self.rates = ()


def _channel(service: str, url: str, clock: Clock) -> Channel:
    if service == "telegram":
        return Hurried(clock, url)
    return SlackChannel("slack", clock, webhook_url=url, every=timedelta(0))


def fork_lives(live: Living) -> None:
    """Until stdin ends. The arguments: the database, the file of the incidents, the service and its URL."""
    database, incidents, service, url = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    clock = SystemClock()
    channel = _channel(service, url, clock)
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
