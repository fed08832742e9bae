"""FolkForm exports turned into our records: liberal in what is read, one sentence for what cannot be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from roundsman.conversations.document import BrokenFieldError, id_or_none
from roundsman.conversations.feed import Item
from roundsman.conversations.folkform_records import PlacedMessage, read_conversation, read_message, read_page
from roundsman.repositories.conversations import Conversation, Page
from roundsman.repositories.set_aside import SetAside


class Collection(StrEnum):
    """The collections that are read, by the name in our counts and sentences."""

    PAGES = "fb_pages"
    CONVERSATIONS = "fb_conversations"
    MESSAGES = "fb_message_items"


COLLECTION_NAMES = {
    **{each.value: each for each in Collection},
    **{each.value.replace("fb_", "fb_src_"): each for each in Collection},
}
"""Their older names, and those of 2026."""

UNKNOWN = "document"
"""Stands for the collection of a document that shows no sign of one."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A document of a collection that we do not need."""

    collection: str


Reading = Page | Conversation | PlacedMessage | SetAside | Ignored


class FolkFormReader:
    """Reads the documents of one file. `source` is the file's name, for documents that have no id."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._places: dict[str, int] = {}

    def read(self, item: Item) -> Reading:
        """What one document of the feed means."""
        name, document = item.collection, item.value
        if name is None and isinstance(document, dict) and isinstance(document.get("collection"), str):
            name, document = document["collection"], document.get("document")
        kind = COLLECTION_NAMES.get(name) if name else recognise(document)
        if kind is None and name:
            return Ignored(name)
        label = kind.value if kind else UNKNOWN
        place = self._places[label] = self._places.get(label, 0) + 1
        where = f"{self._source}#{place}"
        if not isinstance(document, dict):
            return self._broken(label, where, BrokenFieldError("it", "is not an object"))
        if kind is None:
            return self._unknown(document, where)
        try:
            return _READERS[kind](document)
        except BrokenFieldError as error:
            return self._broken(label, _name_of(document, kind) or where, error)

    def _broken(self, collection: str, document_id: str, error: BrokenFieldError) -> SetAside:
        sentence = f"{collection} {document_id}: {error.field} {error.reason}; the document was set aside."
        return SetAside(collection, document_id, error.field, sentence)

    def _unknown(self, document: Mapping[str, Any], where: str) -> Reading:
        if "customerId" in document or "agentId" in document or "totalMessages" in document:
            return Ignored("others")
        document_id = id_or_none(document, "_id") or where
        return SetAside(
            UNKNOWN,
            document_id,
            "_id",
            f"{UNKNOWN} {document_id}: it is neither a page nor a conversation nor a message; it was set aside.",
        )


def recognise(document: Any) -> Collection | None:
    """Which collection a document without a label belongs to, by its fields."""
    if not isinstance(document, dict):
        return None
    if "messageData" in document or "messageId" in document:
        return Collection.MESSAGES
    if "totalMessages" in document or "hasMore" in document:
        return None  # fb_messages: a conversation's metadata as the older synchronisation kept it
    if {"pageName", "isSync", "accessToken", "pageAccessToken"} & document.keys():
        return Collection.PAGES
    inner = document.get("panCakeData")
    inner = inner if isinstance(inner, dict) else {}
    if "conversationId" in document or ("panCakeUpdatedAt" in document and "psid" not in document) or "type" in inner:
        return Collection.CONVERSATIONS
    if "pageId" in document and not {"customerId", "psid"} & document.keys():
        return Collection.PAGES
    return None


_READERS: dict[Collection, Callable[[Mapping[str, Any]], Page | Conversation | PlacedMessage]] = {
    Collection.PAGES: read_page,
    Collection.CONVERSATIONS: read_conversation,
    Collection.MESSAGES: read_message,
}


def _name_of(document: Mapping[str, Any], kind: Collection) -> str | None:
    """How to name a broken document: its own id, that of its inner object, or the database's."""
    inner = document.get("panCakeData" if kind is not Collection.MESSAGES else "messageData")
    outer_names = {
        Collection.PAGES: "pageId",
        Collection.CONVERSATIONS: "conversationId",
        Collection.MESSAGES: "messageId",
    }
    return (
        id_or_none(document, outer_names[kind])
        or (id_or_none(inner, "id") if isinstance(inner, dict) else None)
        or id_or_none(document, "_id")
    )
