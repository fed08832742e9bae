"""Conversations that were read before a transaction began, for those who derive from them within it.

SQLite has one writer at a time, and nobody should wait for it because a MongoDB is slow.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from roundsman.conversations.source import ConversationReader
from roundsman.repositories.conversations import MessageRecord, Page, WatchedConversation


@dataclass(frozen=True)
class HeldReader:
    """A ConversationReader over what was read. What it holds is a moment old; see `MongoSync`."""

    held_pages: dict[str, Page]
    held: dict[str, WatchedConversation]
    held_threads: dict[str, list[MessageRecord]]

    @classmethod
    def of(cls, reader: ConversationReader, conversation_ids: Collection[str]) -> "HeldReader":
        """Read all that there is to know of these. Raises SourceError."""
        watched = reader.watched(conversation_ids)
        return cls(reader.pages(), watched, reader.threads(watched.keys()))

    def pages(self) -> dict[str, Page]:
        return self.held_pages

    def watched(self, conversation_ids: Collection[str]) -> dict[str, WatchedConversation]:
        return {each: self.held[each] for each in conversation_ids if each in self.held}

    def threads(self, conversation_ids: Collection[str]) -> dict[str, list[MessageRecord]]:
        return {each: self.held_threads.get(each, []) for each in conversation_ids}

    def all(self) -> Iterator[list[WatchedConversation]]:
        yield [self.held[each] for each in sorted(self.held)]

    def lock(self, conversation_ids: Collection[str]) -> None:
        """Nothing of it is shared."""
