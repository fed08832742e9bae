"""FolkForm's MongoDB, if the settings name one. Nothing is imported without it, and nothing is connected to here."""

from datetime import timedelta

from config import MongoSettings
from roundsman.clock import Clock
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.live import LiveSync
from roundsman.conversations.source import ConversationSource
from roundsman.repositories.engine import Store

PATIENCE = timedelta(seconds=3)
"""Of a person who has called a command."""


class MongoParts:
    """The database with what reads it. Close it."""

    def __init__(self, settings: MongoSettings, contact_within: timedelta | None) -> None:
        """`contact_within`: how long somebody waits to hear that there is no server; None: a daemon, which has time."""
        from roundsman.conversations.mongo.database import MongoDatabase

        self._settings = settings
        self.database: MongoDatabase = MongoDatabase(
            settings.url.reveal(), settings.database, settings.collections, contact_within
        )

    def source(self) -> ConversationSource:
        """Where conversations are read."""
        from roundsman.conversations.mongo.source import MongoSource

        return MongoSource(self.database, asks_for_priority=self._settings.priority_sync)

    def sync(self, store: Store, keeper: WatchKeeper, clock: Clock) -> LiveSync:
        """What keeps the watch list true to it."""
        from roundsman.conversations.mongo.signs import Trust
        from roundsman.conversations.mongo.sync import MongoSync

        return MongoSync(store, keeper, self.database, clock, Trust(self._settings.trust))

    def close(self) -> None:
        self.database.close()
