"""Pancake's own objects, read alike wherever they are met: in its API, its webhooks, and inside FolkForm's documents.

Field names are those of Pancake's API. What cannot be read is a BrokenFieldError that names the field by its whole
path, `path` being where the object stands. Tokens are not looked at, so they cannot be stored or printed; nor are the
texts of messages, but for the prefix that gives a bot away.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
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
from roundsman.repositories.conversations import Conversation, Handover, MessageRecord, Page, Person

Value = TypeVar("Value")
Object = Mapping[str, Any]

INBOX = "INBOX"


@dataclass(frozen=True, slots=True)
class PlacedMessage:
    """A message with what it says about its conversation, for when that is nowhere else described."""

    record: MessageRecord
    page_id: str | None
    type: str


def read_page(page: Object) -> Page:
    """A page of the list of pages. Whether it is to be synced is our own business. Raises BrokenFieldError."""
    return Page(
        page_id=required(id_of(page, "id"), "id"),
        name=label_of(page, "name"),
        username=label_of(page, "username"),
    )


def read_conversation(
    conversation: Object,
    path: str = "",
    *,
    conversation_id: str | None = None,
    page_id: str | None = None,
    customer_id: str | None = None,
    updated_at: datetime | None = None,
) -> Conversation:
    """A conversation; ids and the time of the last change may be known from outside of it. Raises BrokenFieldError."""
    page_id = page_id or id_of(conversation, "page_id", path)
    customers = [each for each in list_of(conversation, "customers", path) if isinstance(each, dict)]
    of_page = object_of(conversation, "page_customer", path)
    return Conversation(
        conversation_id=required(conversation_id or id_of(conversation, "id", path), f"{path}id"),
        page_id=required(page_id, f"{path}page_id"),
        type=type_of(conversation, path),
        customer_name=_customer_name([of_page, object_of(conversation, "from", path), *customers], page_id),
        customer_id=id_or_none(conversation, "customer_id") or id_or_none(of_page, "customer_id") or customer_id,
        tags=_tags(conversation, path),
        assignees=_assignees(conversation, path),
        handovers=_handovers(conversation, path),
        source_updated_at=updated_at or moment_of(conversation, "updated_at", path),
    )


def read_message(
    message: Object,
    path: str = "",
    *,
    message_id: str | None = None,
    conversation_id: str | None = None,
    page_id: str | None = None,
    sent_at: datetime | None = None,
    updated_at: datetime | None = None,
) -> PlacedMessage:
    """A message; what is given goes before what it says itself. Raises BrokenFieldError."""
    author = object_of(message, "from", path)
    author_path = f"{path}from."
    record = MessageRecord(
        message_id=required(message_id or id_of(message, "id", path), f"{path}id"),
        # Ids and names repeat from message to message; one copy of each keeps a large import small.
        conversation_id=intern(
            required(conversation_id or id_of(message, "conversation_id", path), f"{path}conversation_id")
        ),
        sent_at=required(sent_at or moment_of(message, "inserted_at", path), f"{path}inserted_at"),
        sender_id=intern(id_of(author, "id", author_path) or "") or None,
        sender_name=intern(label_of(author, "admin_name") or label_of(author, "name") or "") or None,
        is_system=_is_system(message, path),
        is_staff=is_filled(author.get("uid"))
        or is_filled(author.get("admin_id"))
        or is_filled(author.get("admin_name")),
        is_automated=flag_of(author, "is_automated", author_path)
        or flag_of(author, "ai_generated", author_path)
        or _is_botcake(message),
        is_removed=flag_of(message, "is_removed", path),
        is_hidden=flag_of(message, "is_hidden", path),
        source_updated_at=updated_at,
    )
    return PlacedMessage(record, page_id or id_of(message, "page_id", path), type_of(message, path))


def required(value: Value | None, field: str) -> Value:
    """The value. Raises BrokenFieldError if there is none."""
    if value is None:
        raise BrokenFieldError(field, "is missing")
    return value


def type_of(thing: Object, path: str) -> str:
    """INBOX, COMMENT, ... in upper case; what says nothing is an inbox's."""
    return (text_of(thing, "type", path) or INBOX).upper()


def _customer_name(people: list[Object], page_id: str | None) -> str | None:
    """The first name that is not the page's own."""
    for person in people:
        name = label_of(person, "name")
        if name is not None and id_or_none(person, "id") != page_id:
            return name
    return None


def _tags(conversation: Object, path: str) -> tuple[str, ...]:
    """The texts of the tags. Pancake leaves null where a tag was deleted from the page."""
    texts = (tag.get("text") if isinstance(tag, dict) else tag for tag in list_of(conversation, "tags", path))
    return tuple(storable(text) for text in texts if isinstance(text, str) and text.strip())


def _assignees(conversation: Object, path: str) -> tuple[Person, ...]:
    """Whose it is: the ids, with the names of those that are also listed as people. Some answers hold one list only."""
    people = {each.id: each for each in _people(list_of(conversation, "current_assign_users", path))}
    for each in list_of(conversation, "assignee_ids", path):
        person_id = id_or_none({"id": each}, "id")
        if person_id is not None:
            people.setdefault(person_id, Person(person_id))
    return tuple(people.values())


def _handovers(conversation: Object, path: str) -> tuple[Handover, ...]:
    """How it came to be theirs, oldest first. What cannot be read is passed over: it is history, no message."""
    found = [_handover(each) for each in list_of(conversation, "assignee_histories", path)]
    return tuple(sorted((each for each in found if each is not None), key=lambda each: each.at))


def _handover(entry: Any) -> Handover | None:
    try:
        at = moment_of(entry, "inserted_at") if isinstance(entry, dict) else None
        if at is None:
            return None
        payload = object_of(entry, "payload")
        added, removed = _people(list_of(payload, "added_users")), _people(list_of(payload, "deleted_users"))
    except BrokenFieldError:
        return None
    return Handover(at, added, removed) if added or removed else None


def _people(listed: list[Any]) -> tuple[Person, ...]:
    return tuple(
        Person(person_id, label_of(each, "name"))
        for each in listed
        if isinstance(each, dict) and (person_id := id_or_none(each, "id"))
    )


def _is_system(message: Object, path: str) -> bool:
    attachments = list_of(message, "attachments", path)
    return any(isinstance(each, dict) and each.get("type") == "system_message" for each in attachments)


_MARKUP = re.compile(r"(?:\s|<[^>]*>)*")


def _is_botcake(message: Object) -> bool:
    """Whether the text begins with Botcake's prefix; the texts are HTML, so tags may stand before it."""
    for name in ("message", "original_message"):
        text = message.get(name)
        if isinstance(text, str) and BOTCAKE_PREFIX in text:
            start = _MARKUP.match(text)
            if text.startswith(BOTCAKE_PREFIX, start.end() if start else 0):
                return True
    return False
