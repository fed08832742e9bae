"""The victim of `test_kill_answers.py`: a listener of Telegram at its desk, one life after another, until it is killed.

Started once, it imports everything and forks a life for each line on stdin, and answers with the PID.
"""

import os
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy.engine import URL

from roundsman.alerts.answerers import Answerer, Answerers
from roundsman.alerts.answers import AnswerDesk, Texts
from roundsman.alerts.channels.seal import Seal
from roundsman.alerts.listeners.telegram import TelegramListener
from roundsman.alerts.templates import Language
from roundsman.clock import SystemClock
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Policy
from roundsman.owner import Owner
from roundsman.repositories.engine import Store, StoreOptions
from roundsman.repositories.identity import identity_of


def live(database: Path, url: str, token: str) -> None:
    """Answer presses until killed."""
    clock = SystemClock()
    store = Store(StoreOptions(URL.create("sqlite", database=str(database))))
    policies = PolicyBook(Policy("all", timedelta(minutes=1), timedelta(minutes=1)))
    desk = AnswerDesk(
        store,
        clock,
        lambda: None,
        answerers=lambda: Answerers({("telegram", "77"): Answerer("Lan")}),
        policies=lambda: policies,
        texts=lambda: Texts(Language.ENGLISH, ZoneInfo("Asia/Ho_Chi_Minh")),
        closings={},
    )
    listener = TelegramListener(
        store,
        clock,
        str(Owner.this_process()),
        bot_token=token,
        seal=Seal(token, lambda: identity_of(store)),
        api_url=url,
        poll=timedelta(seconds=1),
        first_pause=timedelta(milliseconds=20),
    )
    listener.start(desk)
    threading.Event().wait()


def main() -> None:
    database, url, token = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            live(database, url, token)
        print(pid, flush=True)  # noqa: T201 - the answer to the test


main()
