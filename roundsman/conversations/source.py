"""Where conversations are read: the store, which imports and syncs fill, or a MongoDB that somebody else fills.

Two questions are asked of a source, and two of its readers. What it says of conversations and their messages is all
that judgements are made of; so the golden fixtures hold for every source alike.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from roundsman.repositories.conversations import (
    ConversationRepository,
    MessageRecord,
    Page,
    WatchedConversation,
)
from roundsman.scheduling.job import StopToken


class ConversationReader(Protocol):
    """Reads conversations as they stand at this moment. Raises SourceError when the source is away."""

    def pages(self) -> dict[str, Page]:
        """Every page with a document, by id."""
        ...

    def watched(self, conversation_ids: Collection[str]) -> dict[str, WatchedConversation]:
        """These conversations, by id; unknown ones are left out."""
        ...

    def threads(self, conversation_ids: Collection[str]) -> dict[str, list[MessageRecord]]:
        """The messages of these conversations, oldest first; one without messages has an empty list."""
        ...

    def all(self) -> Iterator[list[WatchedConversation]]:
        """Every conversation in the order of ids, in bounded lists."""
        ...

    def lock(self, conversation_ids: Collection[str]) -> None:
        """Keep others from deriving anything of these until the reader's transaction ends."""
        ...


@dataclass(frozen=True)
class Reread:
    """What came of asking the outside once more, right before people are told."""

    read: Set[str] = frozenset()
    """Conversations that are now as the outside knows them."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Those that could not be read again, with the reason. Of the rest nobody was asked."""


class Rereader(Protocol):
    """Asks the outside for the newest messages of conversations and brings them into the store."""

    def reread(self, conversations: Sequence[WatchedConversation], now: datetime, stop: StopToken) -> Reread:
        """Raises nothing: whatever goes wrong stands in the answer. Ends early, with failures, when `stop` is set."""
        ...


class ConversationSource(Protocol):
    """Where conversations are read."""

    name: str

    def reader(self, connection: Connection) -> ConversationReader:
        """A reader within the caller's transaction, as far as the source knows of transactions."""
        ...

    def reread(self, conversations: Sequence[WatchedConversation], now: datetime, stop: StopToken) -> Reread:
        """Make sure that the next reader knows the newest messages of these. See `Rereader`."""
        ...


class StoredReader:
    """Reads the store within one transaction."""

    def __init__(self, connection: Connection, repository: ConversationRepository) -> None:
        self._connection = connection
        self._repository = repository

    def pages(self) -> dict[str, Page]:
        return self._repository.pages(self._connection)

    def watched(self, conversation_ids: Collection[str]) -> dict[str, WatchedConversation]:
        return self._repository.watched(self._connection, conversation_ids)

    def threads(self, conversation_ids: Collection[str]) -> dict[str, list[MessageRecord]]:
        return self._repository.threads(self._connection, conversation_ids)

    def all(self) -> Iterator[list[WatchedConversation]]:
        return self._repository.all(self._connection)

    def lock(self, conversation_ids: Collection[str]) -> None:
        self._repository.lock(self._connection, conversation_ids)


class StoreSource:
    """The store; `rereader` is whoever can ask the outside about its conversations, if anybody can."""

    name = "store"

    def __init__(self, rereader: Rereader | None = None) -> None:
        self._rereader = rereader
        self._repository = ConversationRepository()

    def reader(self, connection: Connection) -> ConversationReader:
        return StoredReader(connection, self._repository)

    def reread(self, conversations: Sequence[WatchedConversation], now: datetime, stop: StopToken) -> Reread:
        return Reread() if self._rereader is None else self._rereader.reread(conversations, now, stop)
