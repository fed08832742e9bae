"""Which parts of a document are worth a journey: projections that keep the shape of what they leave out.

A plain projection would make a broken document look sound: where `panCakeData` is a text and `panCakeData.type` is
asked for, nothing comes. So whatever has another type than it should comes as it is, except for texts, of which only
comes that they are texts: no customer's words leave the server, but for the beginning that gives a bot away.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from roundsman.conversations.sender import BOTCAKE_PREFIX

KEEP: Final = "keep"
BOT_PREFIX: Final = "bot prefix"

Shape = Mapping[str, Any]
"""Names of fields; each with KEEP, BOT_PREFIX, a shape of an object, or a list that holds the shape of its elements."""


def projection(shape: Shape) -> dict[str, Any]:
    """What `find` wants; the _id comes as well."""
    return {name: 1 if inner == KEEP else _expression(inner, f"${name}", depth=0) for name, inner in shape.items()}


def _expression(shape: Any, path: str, depth: int) -> Any:
    if shape == KEEP:
        return path
    if shape == BOT_PREFIX:
        return _up_to_the_prefix(path)
    if isinstance(shape, list):
        element = f"each{depth}"
        inner = _expression(shape[0], f"$${element}", depth + 1)
        mapped = {"$map": {"input": path, "as": element, "in": inner}}
        return {"$cond": [{"$isArray": path}, mapped, _kind_of(path)]}
    fields = {name: _expression(inner, f"{path}.{name}", depth) for name, inner in shape.items()}
    return {"$cond": [{"$eq": [{"$type": path}, "object"]}, fields, _kind_of(path)]}


def _kind_of(path: str) -> Any:
    """Enough to say that it is of the wrong kind."""
    return {"$cond": [{"$eq": [{"$type": path}, "string"]}, "", path]}


def _up_to_the_prefix(path: str) -> Any:
    """The text as far as the end of the bot's mark; nothing where there is none. In bytes, as that bears any text."""
    found = {"$indexOfBytes": [path, BOTCAKE_PREFIX]}
    beginning = {"$substrBytes": [path, 0, {"$add": ["$$at", len(BOTCAKE_PREFIX)]}]}
    cut = {"$let": {"vars": {"at": found}, "in": {"$cond": [{"$gte": ["$$at", 0]}, beginning, "$$REMOVE"]}}}
    return {"$cond": [{"$eq": [{"$type": path}, "string"]}, cut, "$$REMOVE"]}


_PERSON = {"id": KEEP, "name": KEEP}

PAGE: Shape = MappingProxyType(dict.fromkeys(("pageId", "pageName", "pageUsername", "isSync", "updatedAt"), KEEP))

CONVERSATION: Shape = MappingProxyType(
    {
        "conversationId": KEEP,
        "pageId": KEEP,
        "customerId": KEEP,
        "panCakeUpdatedAt": KEEP,
        "updatedAt": KEEP,
        "panCakeData": {
            "id": KEEP,
            "page_id": KEEP,
            "type": KEEP,
            "updated_at": KEEP,
            "customer_id": KEEP,
            "from": _PERSON,
            "page_customer": {**_PERSON, "customer_id": KEEP},
            "customers": [{**_PERSON, "fb_id": KEEP}],
            "tags": KEEP,  # objects or texts
            "assignee_ids": KEEP,
            "current_assign_users": [{**_PERSON, "fb_id": KEEP}],
            "assignee_histories": [
                {
                    "inserted_at": KEEP,
                    "payload": {
                        "added_users": [{**_PERSON, "fb_id": KEEP}],
                        "deleted_users": [{**_PERSON, "fb_id": KEEP}],
                    },
                }
            ],
        },
    }
)

MESSAGE: Shape = MappingProxyType(
    {
        "conversationId": KEEP,
        "messageId": KEEP,
        "pageId": KEEP,
        "insertedAt": KEEP,
        "updatedAt": KEEP,
        "messageData": {
            "id": KEEP,
            "conversation_id": KEEP,
            "page_id": KEEP,
            "type": KEEP,
            "inserted_at": KEEP,
            "is_removed": KEEP,
            "is_hidden": KEEP,
            "message": BOT_PREFIX,
            "original_message": BOT_PREFIX,
            "attachments": [{"type": KEEP}],
            "from": {
                **_PERSON,
                "uid": KEEP,
                "admin_id": KEEP,
                "admin_name": KEEP,
                "is_automated": KEEP,
                "ai_generated": KEEP,
            },
        },
    }
)
