"""One MongoDB as a place of conversations: what is where in it, found out once and whenever a sync begins."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from roundsman.conversations.mongo.changes import ChangeFeed
from roundsman.conversations.mongo.connection import MongoConnection
from roundsman.conversations.mongo.indexes import Indexes, create_indexes, find_indexes
from roundsman.conversations.mongo.names import CollectionNames, find_names
from roundsman.conversations.mongo.reader import MongoReader


@dataclass(frozen=True)
class Layout:
    """What is where."""

    names: CollectionNames
    indexes: tuple[Indexes, Indexes]


class MongoDatabase:
    """Safe to use from many threads."""

    def __init__(
        self,
        url: str,
        database: str,
        collections: Mapping[str, str] | None = None,
        contact_within: timedelta | None = None,
    ) -> None:
        """`collections` holds the names that are not to be found out, by the fields of CollectionNames; for
        `contact_within` see MongoConnection."""
        self.connection = MongoConnection(url, database, contact_within)
        self._chosen = dict(collections or {})
        self._lock = threading.Lock()
        self._layout: Layout | None = None

    @property
    def name(self) -> str:
        """Where it is, safe to print."""
        return self.connection.name

    def reader(self, transaction: Connection | None = None) -> MongoReader:
        """Raises SourceError."""
        layout = self.layout
        return MongoReader(self.connection, layout.names, layout.indexes, transaction)

    def feeds(self) -> tuple[ChangeFeed, ChangeFeed]:
        """The changes of conversations and of messages. Raises SourceError."""
        conversations, messages = self.layout.indexes
        return ChangeFeed(self.connection, conversations), ChangeFeed(self.connection, messages)

    @property
    def layout(self) -> Layout:
        """As it was found last. Raises SourceError."""
        with self._lock:
            found = self._layout
        return found or self.look_around()

    def look_around(self) -> Layout:
        """Find out anew. Raises SourceError: collections or indexes are missing."""
        names = self.names()
        found = Layout(names, find_indexes(self.connection, names))
        with self._lock:
            self._layout = found
        return found

    def check(self, now: datetime) -> Layout:
        """The same, and whether changes can be noticed at all. Raises SourceError."""
        found = self.look_around()
        for feed in self.feeds():
            feed.check(now)
        return found

    def names(self) -> CollectionNames:
        """Raises SourceError."""
        return find_names(self.connection, self._chosen)

    def create_indexes(self) -> list[str]:
        """Make what is missing; returns the collections that got an index. Raises SourceError."""
        return create_indexes(self.connection, self.names())

    def ask_for_priority(self, conversation_ids: list[str]) -> None:
        """Set `needsPrioritySync`, by which FolkForm reads these before all others. Raises SourceError.

        The one thing that is ever written into a document of others, and only where somebody has asked for it.
        """
        collection = self.connection.collection(self.layout.names.conversations)
        query = {"conversationId": {"$in": conversation_ids}, "needsPrioritySync": {"$ne": True}}
        with self.connection.sentences():
            collection.update_many(query, {"$set": {"needsPrioritySync": True}})

    def close(self) -> None:
        self.connection.close()
