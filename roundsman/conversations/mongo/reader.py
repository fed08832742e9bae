"""Reads FolkForm's collections as an import reads an export: by the same readers, and with the same sentences.

So the same documents mean the same, wherever they lie: of several copies the newest counts, a conversation that nobody
describes is known by its messages, and a broken document is left out with one sentence.
"""

from collections.abc import Collection as Ids
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from roundsman.conversations.export import Export
from roundsman.conversations.feed import Item
from roundsman.conversations.folkform import Collection, FolkFormReader
from roundsman.conversations.mongo.connection import MongoConnection
from roundsman.conversations.mongo.indexes import Indexes
from roundsman.conversations.mongo.names import CollectionNames
from roundsman.conversations.mongo.shape import CONVERSATION, MESSAGE, PAGE, Shape, projection
from roundsman.conversations.mongo.values import plain_value
from roundsman.repositories.conversations import Conversation, MessageRecord, Page, WatchedConversation
from roundsman.repositories.set_aside import SetAside
from roundsman.repositories.source_lock import lock_source
from roundsman.repositories.versions import chunks

STEP = 500
"""Conversations that are read at a time."""


class MongoReader:
    """A ConversationReader. Pages are read once; it is made anew for each look."""

    def __init__(
        self,
        connection: MongoConnection,
        names: CollectionNames,
        indexes: tuple[Indexes, Indexes],
        transaction: Connection | None = None,
    ) -> None:
        """`transaction` is that of the store, in which locks are held."""
        self._connection = connection
        self._names = names
        self._by_conversation = {each.collection: each.by_conversation or "" for each in indexes}
        self._transaction = transaction
        self._pages: dict[str, Page] | None = None
        self.set_aside: list[SetAside] = []
        """Broken documents that were met so far."""

    def pages(self) -> dict[str, Page]:
        if self._pages is None:
            export = Export()
            if self._names.pages is not None:
                self._read(export, Collection.PAGES, self._names.pages, {}, PAGE, "_id_")
            self._pages = export.pages
            self.set_aside += export.set_aside
        return dict(self._pages)

    def watched(self, conversation_ids: Ids[str]) -> dict[str, WatchedConversation]:
        wanted = dict.fromkeys(conversation_ids)
        pages = self.pages()
        found: dict[str, WatchedConversation] = {}
        for chunk in chunks(list(wanted), STEP):
            export = self._export(Collection.CONVERSATIONS, self._names.conversations, chunk, CONVERSATION)
            described = {name: each for name, each in export.conversations.items() if name in wanted}
            undescribed = [name for name in chunk if name not in described]
            if undescribed:
                described |= self._mentioned(undescribed, pages)
            for name, each in described.items():
                found[name] = WatchedConversation(each, pages.get(each.page_id, Page(each.page_id)))
        return found

    def threads(self, conversation_ids: Ids[str]) -> dict[str, list[MessageRecord]]:
        found: dict[str, list[MessageRecord]] = {each: [] for each in conversation_ids}
        for chunk in chunks(list(found), STEP):
            export = self._export(Collection.MESSAGES, self._names.messages, chunk, MESSAGE)
            for message in sorted(export.messages.values(), key=lambda each: each.sent_at):
                if message.conversation_id in found:
                    found[message.conversation_id].append(message)
            self.set_aside += export.set_aside
        return found

    def all(self) -> Iterator[list[WatchedConversation]]:
        last = ""
        while ids := self.ids_after(last):
            watched = self.watched(ids)
            yield [watched[each] for each in ids if each in watched]
            last = ids[-1]

    def lock(self, conversation_ids: Ids[str]) -> None:
        if self._transaction is not None and conversation_ids:
            lock_source(self._transaction)

    def ids_after(self, last: str, limit: int = STEP) -> list[str]:
        """The next conversations in the order of ids, also those that only messages tell of. Reads indexes alone."""
        described = self._described_after(last, limit)
        until = described[-1] if len(described) == limit else None
        return sorted({*described, *self._mentioned_between(last, until)})

    # --- inside ---

    def _mentioned(self, conversation_ids: Sequence[str], pages: dict[str, Page]) -> dict[str, Conversation]:
        """As their messages describe them; those whose page nobody knows are set aside."""
        mentions = self._export(Collection.MESSAGES, self._names.messages, conversation_ids, MESSAGE)
        found = {name: mentions.conversation_of_mentions(name, pages) for name in mentions.unplaced()}
        mentions.set_aside.clear()  # the broken ones are told of when the threads are read
        mentions.turn_away({name for name, each in found.items() if each is None})
        self.set_aside += mentions.set_aside
        return {name: each for name, each in found.items() if each is not None}

    def _described_after(self, last: str, limit: int) -> list[str]:
        name = self._names.conversations
        with self._connection.sentences():
            cursor = self._connection.collection(name).find(
                {"conversationId": {"$gt": last}}, {"_id": 0, "conversationId": 1}
            )
            cursor = cursor.hint(self._by_conversation[name]).sort("conversationId", 1).limit(limit)
            return [each["conversationId"] for each in cursor]

    def _mentioned_between(self, last: str, until: str | None) -> list[str]:
        name = self._names.messages
        inside = {"$gt": last} if until is None else {"$gt": last, "$lte": until}
        # In this form the server jumps from one conversation to the next in the index (DISTINCT_SCAN)
        pipeline: Sequence[dict[str, Any]] = [
            {"$match": {"conversationId": inside}},
            {"$sort": {"conversationId": 1}},
            {"$group": {"_id": "$conversationId"}},
        ]
        with self._connection.sentences():
            cursor = self._connection.collection(name).aggregate(pipeline, hint=self._by_conversation[name])
            return [each["_id"] for each in cursor]

    def _export(self, kind: Collection, name: str, conversation_ids: Sequence[str], shape: Shape) -> Export:
        export = Export()
        query = {"conversationId": {"$in": list(conversation_ids)}}
        self._read(export, kind, name, query, shape, self._by_conversation[name])
        if kind is Collection.CONVERSATIONS:
            self.set_aside += export.set_aside
        return export

    def _read(
        self, export: Export, kind: Collection, name: str, query: dict[str, Any], shape: Shape, index: str
    ) -> None:
        reader = FolkFormReader(self._connection.name)
        with self._connection.sentences():
            for document in self._connection.collection(name).find(query, projection(shape)).hint(index):
                export.add(reader.read(Item(kind.value, plain_value(document))))
