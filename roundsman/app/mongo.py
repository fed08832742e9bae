"""FolkForm's MongoDB, if the settings name one. Nothing is imported without it, and nothing is connected to here."""

from config import MongoSettings
from roundsman.clock import Clock
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.live import LiveSync
from roundsman.conversations.source import ConversationSource
from roundsman.repositories.engine import Store


class MongoParts:
    """The database with what reads it. Close it."""

    def __init__(self, settings: MongoSettings) -> None:
        from roundsman.conversations.mongo.database import MongoDatabase

        self._settings = settings
        self.database: MongoDatabase = MongoDatabase(settings.url.reveal(), settings.database, settings.collections)

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
