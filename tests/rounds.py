"""Rounds of the monitor over a real store and a real alert book."""

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from chats import Desk
from sqlalchemy import Connection

from jobs.conversation_monitor import ConversationMonitor
from roundsman.alerts.book import AlertBook
from roundsman.clock import ManualClock
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Level, Policy
from roundsman.conversations.source import ConversationSource, StoreSource
from roundsman.monitor.page_roll import PagesSetUp
from roundsman.repositories.alert_log import AlertLog
from roundsman.repositories.conversations import ConversationRepository, MessageRecord
from roundsman.repositories.engine import Store
from roundsman.repositories.tables import alerts
from roundsman.scheduling.job import JobContext, OutcomeKind, StopToken

LOG = logging.LoggerAdapter(logging.getLogger("test"), {})


class Rounds(Desk):
    """A desk with a monitor that walks when told to, and remembers when it did."""

    def __init__(
        self, store: Store, clock: ManualClock, folder: Path, book: PolicyBook | None = None,
        source: ConversationSource | None = None,
    ) -> None:  # fmt: skip
        super().__init__(store, clock, folder)
        if book is not None:
            self.book = book
        self.source: ConversationSource = source or StoreSource()
        self.walked_at: list[datetime] = []
        self.alert_book = AlertBook(store, clock, ["console"], lambda: None)
        self.pages_set_up: frozenset[str] | None = None
        """What the settings have read from Pancake; None: it is not known."""
        self.pages_before: frozenset[str] = frozenset()
        """What they have had read before this process read them again."""
        self.monitor: ConversationMonitor | None = None
        """One that lives on; None: each round is a new process."""

    def new_monitor(self) -> ConversationMonitor:
        return ConversationMonitor(
            self.store, self.alert_book, self.book, self.source,
            PagesSetUp(lambda: self.pages_set_up, lambda: self.pages_before),
        )  # fmt: skip

    def walk(self, started_at: datetime | None = None) -> dict[str, int]:
        """One round; its counters that are not 0. The ledger may say that it began a moment before."""
        monitor = self.monitor or self.new_monitor()
        outcome = monitor.run(JobContext(self.clock, LOG, StopToken(), self.clock.now(), started_at))
        assert outcome.kind is OutcomeKind.DONE
        self.walked_at.append(self.clock.now())
        return {name: count for name, count in outcome.counters.items() if count}

    def walk_until(self, minutes: float, every: float = 1) -> list[dict[str, int]]:
        """Rounds every so many minutes, for so long."""
        found = []
        for _ in range(int(minutes / every)):
            self.clock.advance(timedelta(minutes=every))
            found.append(self.walk())
        return found

    def alerts(self) -> list[Any]:
        with self.store.read() as connection:
            return list(connection.execute(alerts.select().order_by(alerts.c.id)))

    def log(self, alert_id: int) -> list[tuple[str, int | None]]:
        """What became of an alert: event and level."""
        with self.store.read() as connection:
            return [(entry.event.value, entry.level) for entry in AlertLog().of_alert(connection, alert_id)]


def levels(*minutes: float, warn_before: float | None = None, **facts: Any) -> PolicyBook:
    """A book whose first level is told after the first of these, and so on."""
    target = timedelta(minutes=minutes[0])
    further = tuple(Level(number, timedelta(minutes=each)) for number, each in enumerate(minutes[1:], start=2))
    warning = None if warn_before is None else timedelta(minutes=warn_before)
    return PolicyBook(Policy("levels", target, target, levels=(Level(1), *further), warn_before=warning, **facts))


@contextmanager
def while_it_reads(happens: Callable[[], object]) -> Iterator[None]:
    """This happens when the next round has just read the threads, and has not written anything."""
    threads = ConversationRepository.threads
    left = [happens]

    def slow(
        self: ConversationRepository, connection: Connection, ids: Collection[str]
    ) -> dict[str, list[MessageRecord]]:
        found = threads(self, connection, ids)
        if left:
            left.pop()()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConversationRepository, "threads", slow)
        yield
    assert not left
