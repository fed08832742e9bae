"""The records that single FolkForm documents hold. Field names are those of DATASHAPES 4.2 to 4.7.

Access tokens of pages are not looked at, so they cannot be stored or printed; nor are the texts of messages, but
for the prefix that gives a bot away.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any, TypeVar

from roundsman.conversations.document import (
    BrokenFieldError,
    flag_of,
    id_of,
    id_or_none,
    is_filled,
    label_of,
    list_of,
    moment_of,
    object_of,
    storable,
    text_of,
)
from roundsman.conversations.sender import BOTCAKE_PREFIX
from roundsman.repositories.conversations import Conversation, MessageRecord, Page

Value = TypeVar("Value")

INBOX = "INBOX"


@dataclass(frozen=True, slots=True)
class PlacedMessage:
    """A message with what it says about its conversation, for when that is nowhere else described."""

    record: MessageRecord
    page_id: str | None
    type: str


def read_page(document: Mapping[str, Any]) -> Page:
    """A document of `fb_pages`. Raises BrokenFieldError."""
    return Page(
        page_id=_required(id_of(document, "pageId"), "pageId"),
        name=label_of(document, "pageName"),
        username=label_of(document, "pageUsername"),
        is_synced=flag_of(document, "isSync", default=True),
        source_updated_at=moment_of(document, "updatedAt"),
    )


def read_conversation(document: Mapping[str, Any]) -> Conversation:
    """A document of `fb_conversations`. Raises BrokenFieldError."""
    inner = object_of(document, "panCakeData")
    conversation_id = id_of(document, "conversationId") or id_of(inner, "id", "panCakeData.")
    page_id = id_of(document, "pageId") or id_of(inner, "page_id", "panCakeData.")
    versions = (
        moment_of(document, "panCakeUpdatedAt"),
        moment_of(document, "updatedAt"),
        moment_of(inner, "updated_at", "panCakeData."),
    )
    return Conversation(
        conversation_id=_required(conversation_id, "conversationId"),
        page_id=_required(page_id, "pageId"),
        type=_type(inner, "panCakeData."),
        customer_name=_customer_name(inner, page_id),
        tags=_tags(inner),
        # The newest of them: each grows from copy to copy, but not every copy has each.
        source_updated_at=max(filter(None, versions), default=None),
    )


def read_message(document: Mapping[str, Any]) -> PlacedMessage:
    """A document of `fb_message_items`. Raises BrokenFieldError."""
    inner = _required(object_of(document, "messageData") or None, "messageData")
    author = object_of(inner, "from", "messageData.")
    sent_at = moment_of(inner, "inserted_at", "messageData.") or moment_of(document, "insertedAt")
    record = MessageRecord(
        message_id=_required(id_of(document, "messageId") or id_of(inner, "id", "messageData."), "messageId"),
        # Ids and names repeat from message to message; one copy of each keeps a large import small.
        conversation_id=intern(
            _required(
                id_of(document, "conversationId") or id_of(inner, "conversation_id", "messageData."), "conversationId"
            )
        ),
        sent_at=_required(sent_at, "messageData.inserted_at"),
        sender_id=intern(id_of(author, "id", "messageData.from.") or "") or None,
        sender_name=intern(label_of(author, "admin_name") or label_of(author, "name") or "") or None,
        is_system=_is_system(inner),
        is_staff=is_filled(author.get("uid"))
        or is_filled(author.get("admin_id"))
        or is_filled(author.get("admin_name")),
        is_automated=flag_of(author, "is_automated", "messageData.from.")
        or flag_of(author, "ai_generated", "messageData.from.")
        or _is_botcake(inner),
        is_removed=flag_of(inner, "is_removed", "messageData."),
        is_hidden=flag_of(inner, "is_hidden", "messageData."),
        source_updated_at=moment_of(document, "updatedAt"),
    )
    page_id = id_of(inner, "page_id", "messageData.") or id_of(document, "pageId")
    return PlacedMessage(record, page_id, _type(inner, "messageData."))


def page_of_conversation_id(conversation_id: str) -> str | None:
    """The page in an inbox conversation's id `<page_id>_<psid>`; page ids may hold underscores themselves."""
    page_id, mark, customer = conversation_id.rpartition("_")
    return page_id if page_id and mark and customer else None


def _required(value: Value | None, field: str) -> Value:
    if value is None:
        raise BrokenFieldError(field, "is missing")
    return value


def _type(inner: Mapping[str, Any], path: str) -> str:
    return (text_of(inner, "type", path) or INBOX).upper()


def _customer_name(inner: Mapping[str, Any], page_id: str | None) -> str | None:
    """The first name that is not the page's own."""
    people = [object_of(inner, "page_customer", "panCakeData."), object_of(inner, "from", "panCakeData.")]
    people += [each for each in list_of(inner, "customers", "panCakeData.") if isinstance(each, dict)]
    for person in people:
        name = label_of(person, "name")
        if name is not None and id_or_none(person, "id") != page_id:
            return name
    return None


def _tags(inner: Mapping[str, Any]) -> tuple[str, ...]:
    """The texts of the tags. Pancake leaves null where a tag was deleted from the page."""
    texts = (tag.get("text") if isinstance(tag, dict) else tag for tag in list_of(inner, "tags", "panCakeData."))
    return tuple(storable(text) for text in texts if isinstance(text, str) and text.strip())


def _is_system(inner: Mapping[str, Any]) -> bool:
    attachments = list_of(inner, "attachments", "messageData.")
    return any(isinstance(each, dict) and each.get("type") == "system_message" for each in attachments)


_MARKUP = re.compile(r"(?:\s|<[^>]*>)*")


def _is_botcake(inner: Mapping[str, Any]) -> bool:
    """Whether the text begins with Botcake's prefix; the texts are HTML, so tags may stand before it."""
    for name in ("message", "original_message"):
        text = inner.get(name)
        if isinstance(text, str) and BOTCAKE_PREFIX in text:
            start = _MARKUP.match(text)
            if text.startswith(BOTCAKE_PREFIX, start.end() if start else 0):
                return True
    return False
