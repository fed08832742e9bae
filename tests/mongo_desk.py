"""A store whose conversations lie in a MongoDB, with the sync and the monitor that live on it."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from chats import Document, milliseconds, policies
from mongo_server import MongoPlace

from jobs.conversation_monitor import ConversationMonitor
from roundsman.alerts.book import AlertBook
from roundsman.clock import ManualClock
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.mongo.database import MongoDatabase
from roundsman.conversations.mongo.signs import Trust
from roundsman.conversations.mongo.source import MongoSource
from roundsman.conversations.mongo.sync import MongoSync
from roundsman.monitor.page_roll import PagesSetUp
from roundsman.repositories.engine import Store
from roundsman.repositories.page_syncs import PageSync, PageSyncRepository
from roundsman.repositories.set_aside import SetAsideRepository
from roundsman.repositories.tables import alerts
from roundsman.repositories.watch_list import WatchListRepository, WatchRow
from roundsman.scheduling.job import JobContext, StopToken

LOG = logging.LoggerAdapter(logging.getLogger("test"), {})


class MongoDesk(AbstractContextManager["MongoDesk"]):
    """`restart` gives it a new process, as far as sync and monitor can tell."""

    def __init__(self, store: Store, place: MongoPlace, clock: ManualClock, trust: Trust = Trust.AUTO) -> None:
        self.store, self.place, self.clock, self.trust = store, place, clock, trust
        self.url = place.url
        self.asks_for_priority = False
        self.book = policies()
        self.database = MongoDatabase(self.url, self.place.database.name)
        self.restart()

    def __exit__(self, *_: object) -> None:
        self.database.close()

    def restart(self) -> None:
        self.database.close()
        self.database = MongoDatabase(self.url, self.place.database.name)
        keeper = WatchKeeper(self.book)
        self._sync = MongoSync(self.store, keeper, self.database, self.clock, self.trust)
        self.source = MongoSource(self.database, asks_for_priority=self.asks_for_priority)
        book = AlertBook(self.store, self.clock, ["console"], lambda: None)
        self._monitor = ConversationMonitor(self.store, book, self.book, self.source, PagesSetUp(lambda: None))

    def sync(self, stop: StopToken | None = None) -> dict[str, int]:
        return self._sync.run_once(stop or StopToken())

    def walk(self) -> dict[str, int]:
        context = JobContext(self.clock, LOG, StopToken(), self.clock.now())
        return dict(self._monitor.run(context).counters)

    # --- FolkForm ---

    def write(self, name: str, *documents: Document, at: datetime | None = None) -> None:
        """As FolkForm writes: insert or replace by the document's own id, with the time of the write."""
        key = {"fb_pages": "pageId", "fb_conversations": "conversationId", "fb_message_items": "messageId"}[name]
        for document in documents:
            written = {**document, "updatedAt": milliseconds(at or self.clock.now())}
            self.place.database[name].replace_one({key: document[key]}, written, upsert=True)

    # --- what came of it ---

    def rows(self) -> dict[str, WatchRow]:
        with self.store.read() as connection:
            return {row.conversation_id: row for rows in WatchListRepository().all(connection) for row in rows}

    def syncs(self) -> dict[str, PageSync]:
        with self.store.read() as connection:
            return PageSyncRepository().all(connection)

    def set_aside(self) -> list[str]:
        with self.store.read() as connection:
            return [each.sentence for each in SetAsideRepository().all(connection)]

    def alerts(self) -> Sequence[Any]:
        with self.store.read() as connection:
            return connection.execute(alerts.select().order_by(alerts.c.id)).all()
