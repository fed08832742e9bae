"""The one way by which news of a live source enters the store: with all that follows from it, in one transaction.

A sync that is killed has either taken a batch with its checkpoint or has not: it can go on where it was. What follows
(the watch list) is derived from the stored messages, so neither the order of batches nor a repetition matters.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.source import StoredReader
from roundsman.repositories.conversation_tables import messages
from roundsman.repositories.conversations import Conversation, ConversationRepository, MessageRecord, Page
from roundsman.repositories.engine import Store
from roundsman.repositories.versions import Changes, put_newer


@dataclass(frozen=True)
class Batch:
    """News, in any order. Of each document at most one copy; a live source never moves a message elsewhere."""

    pages: Sequence[Page] = ()
    conversations: Sequence[Conversation] = ()
    messages: Sequence[MessageRecord] = ()


@dataclass(frozen=True)
class Taken:
    """What became of a batch."""

    pages: Changes = field(default_factory=Changes)
    conversations: Changes = field(default_factory=Changes)
    messages: Changes = field(default_factory=Changes)
    homeless: tuple[str, ...] = ()
    """Messages that were not taken, as neither the store nor the batch knows their conversation."""


class Intake:
    """Takes batches."""

    def __init__(self, store: Store, keeper: WatchKeeper) -> None:
        self._store = store
        self._keeper = keeper
        self._repository = ConversationRepository()

    def take(self, batch: Batch, now: datetime, progress: Callable[[Connection], None] | None = None) -> Taken:
        """Store a batch and what follows from it; `progress` writes the checkpoint in the same transaction.

        Raises StoreError; then nothing of it is stored.
        """
        with self._store.write() as connection:
            taken = self._take(connection, batch, now)
            if progress is not None:
                progress(connection)
        return taken

    def _take(self, connection: Connection, batch: Batch, now: datetime) -> Taken:
        touched = {each.conversation_id for each in batch.messages}
        described = {each.conversation_id for each in batch.conversations}
        self._repository.lock(connection, touched | described)
        pages = self._repository.put_pages(connection, batch.pages)
        conversations = self._repository.put_conversations(connection, batch.conversations)
        unknown = touched - described
        unknown -= self._repository.known(connection, unknown)
        homeless = [each for each in batch.messages if each.conversation_id in unknown]
        at_home = (
            [each for each in batch.messages if each.conversation_id not in unknown] if homeless else batch.messages
        )
        stored = put_newer(connection, messages, list(at_home))
        changed = conversations.written | {
            each.conversation_id for each in at_home if each.message_id in stored.written
        }
        # A page's settings concern all its conversations; those that wait are looked at again
        self._keeper.look_at_pages(connection, pages.written, now)
        self._keeper.refresh(connection, StoredReader(connection, self._repository), changed, now)
        return Taken(pages, conversations, stored, tuple(each.message_id for each in homeless))
