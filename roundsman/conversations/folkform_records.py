"""The records that single FolkForm documents hold: an envelope of FolkForm's around an object of Pancake's.

Access tokens of pages are not looked at, so they cannot be stored or printed.
"""

from collections.abc import Mapping
from typing import Any

from roundsman.conversations.document import flag_of, id_of, id_or_none, label_of, moment_of, object_of
from roundsman.conversations.pancake import objects
from roundsman.conversations.pancake.objects import INBOX, PlacedMessage, required
from roundsman.repositories.conversations import Conversation, Page

__all__ = ["INBOX", "PlacedMessage", "page_of_conversation_id", "read_conversation", "read_message", "read_page"]


def read_page(document: Mapping[str, Any]) -> Page:
    """A document of `fb_pages`. Raises BrokenFieldError."""
    return Page(
        page_id=required(id_of(document, "pageId"), "pageId"),
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
    return objects.read_conversation(
        inner,
        "panCakeData.",
        conversation_id=required(conversation_id, "conversationId"),
        page_id=required(page_id, "pageId"),
        customer_id=id_or_none(document, "customerId"),
        # The newest of them: each grows from copy to copy, but not every copy has each.
        updated_at=max(filter(None, versions), default=None),
    )


def read_message(document: Mapping[str, Any]) -> PlacedMessage:
    """A document of `fb_message_items`. Raises BrokenFieldError."""
    inner = required(object_of(document, "messageData") or None, "messageData")
    message_id = id_of(document, "messageId") or id_of(inner, "id", "messageData.")
    conversation_id = id_of(document, "conversationId") or id_of(inner, "conversation_id", "messageData.")
    return objects.read_message(
        inner,
        "messageData.",
        message_id=required(message_id, "messageId"),
        conversation_id=required(conversation_id, "conversationId"),
        page_id=id_of(inner, "page_id", "messageData.") or id_of(document, "pageId"),
        sent_at=moment_of(inner, "inserted_at", "messageData.") or moment_of(document, "insertedAt"),
        updated_at=moment_of(document, "updatedAt"),
    )


def page_of_conversation_id(conversation_id: str) -> str | None:
    """The page in an inbox conversation's id `<page_id>_<psid>`; page ids may hold underscores themselves."""
    page_id, mark, customer = conversation_id.rpartition("_")
    return page_id if page_id and mark and customer else None
