"""Single webhook calls of Pancake, in its own envelope and in the one that FolkForm put around it.

    {"page_id": ..., "event_type": "messaging", "data": {"conversation": {...}, "message": {...}}}
    {"payload": {"eventType": "message_received", "pageId": ..., "data": {...}, "timestamp": ...}}

They bear no signature, come twice and out of order, and tell less of a conversation than the API does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from roundsman.conversations.document import id_of, id_or_none, moment_of, object_of, plain, text_of
from roundsman.conversations.moment import EARLIEST
from roundsman.conversations.pancake.objects import PlacedMessage, read_conversation, read_message
from roundsman.repositories.conversations import Conversation

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Passed:
    """A call of another kind, which we do not need."""

    event: str


@dataclass(frozen=True)
class ToldConversation:
    """A conversation as a call tells it."""

    conversation: Conversation
    version: int
    """Grows from call to call, where Pancake gives one."""
    silent_on: frozenset[str]
    """Fields of the record of which the call says nothing: what is known of them stays."""

    @property
    def age(self) -> tuple[datetime, int]:
        """The newest is the greatest."""
        return self.conversation.source_updated_at or EARLIEST, self.version


@dataclass(frozen=True)
class Call:
    """What one call tells."""

    conversation: ToldConversation | None = None
    message: PlacedMessage | None = None


def is_call(document: Any) -> bool:
    """Whether a document looks like a webhook call."""
    if not isinstance(document, dict):
        return False
    inner = document.get("payload")
    return _event_name(document) is not None or (isinstance(inner, dict) and _event_name(inner) is not None)


def read_call(document: Object) -> Call | Passed:
    """What a call tells. Raises BrokenFieldError."""
    path = ""
    if _event_name(document) is None:
        document, path = object_of(document, "payload"), "payload."
    name = _event_name(document) or ""
    event = text_of(document, name, path) or ""
    page_id = id_of(document, "page_id", path) or id_of(document, "pageId", path)
    data, path = object_of(document, "data", path), f"{path}data."
    conversation, message = object_of(data, "conversation", path), object_of(data, "message", path)
    conversation_path, message_path = f"{path}conversation.", f"{path}message."
    if not conversation and not message:  # FolkForm hands some objects on as the data themselves
        if event == "conversation_updated":
            conversation, conversation_path = data, path
        elif event == "message_received":
            message, message_path = data, path
    if not conversation and not message:
        return Passed(event)
    told_at = moment_of(document, "timestamp")
    return Call(
        _conversation(conversation, conversation_path, page_id, told_at) if conversation else None,
        read_message(message, message_path, page_id=id_of(message, "page_id", message_path) or page_id)
        if message
        else None,
    )


def _event_name(document: Object) -> str | None:
    return next((name for name in ("event_type", "eventType") if isinstance(document.get(name), str)), None)


def _conversation(told: Object, path: str, page_id: str | None, told_at: datetime | None) -> ToldConversation:
    record = read_conversation(
        told,
        path,
        page_id=id_of(told, "page_id", path) or id_or_none(told, "page_uid") or page_id,
        updated_at=moment_of(told, "updated_at", path) or told_at,
    )
    fields = {
        "tags": ("tags",),
        "assignees": ("assignee_ids", "current_assign_users"),
        "handovers": ("assignee_histories",),
        "type": ("type",),
    }
    silent = {name for name, sources in fields.items() if all(told.get(source) is None for source in sources)}
    silent |= {name for name in ("customer_name", "customer_id") if getattr(record, name) is None}
    version = plain(told.get("version"))
    return ToldConversation(record, version if isinstance(version, int) else 0, frozenset(silent))
