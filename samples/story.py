"""One conversation of the sample, told message by message, and its documents in FolkForm's shapes.

Times are written in all the ways in which they are found in the wild, in turn.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from shops import ANSWERS, BOT_ANSWERS, QUESTIONS, STAFF, Document, Shop, person


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


TIME_FORMS: tuple[Callable[[datetime], tuple[Any, Any]], ...] = (
    # (messageData.inserted_at, insertedAt)
    lambda at: (at.strftime("%Y-%m-%dT%H:%M:%S.%f"), _milliseconds(at)),
    lambda at: (at.strftime("%Y-%m-%dT%H:%M:%S"), _milliseconds(at)),
    lambda at: (at.strftime("%Y-%m-%dT%H:%M:%SZ"), {"$numberLong": str(_milliseconds(at))}),
    lambda at: (None, _milliseconds(at)),
    lambda at: (None, int(at.timestamp())),
    lambda at: (None, {"$date": at.strftime("%Y-%m-%dT%H:%M:%S.000Z")}),
)


class Story:
    """Collects what is said in one conversation; `at` is the sample's now."""

    def __init__(self, rng: random.Random, at: datetime, number: int, shop: Shop, kind: str = "INBOX") -> None:
        self._rng = rng
        self._at = at
        self._number = number
        self.shop = shop
        self.kind = kind
        self.customer_id = f"{7_000_000_000_000 + number * 7919}"
        self.customer = person(rng)
        self.conversation_id = (
            f"{shop.page_id}_{self.customer_id}" if kind == "INBOX" else f"{990_000 + number}_{self.customer_id}"
        )
        self.tags: list[Document | None] | None = []
        self.touched = at - timedelta(days=30)
        self.assigned: str | None = None
        self.messages: list[Document] = []

    # --- who says what; `ago` is minutes before the sample's now ---

    def asks(self, ago: float, **marks: Any) -> "Story":
        """The customer writes."""
        author: Document = {"id": self.customer_id, "name": self.customer}
        if self.shop.mail_domain:
            author["email"] = f"{self.customer_id}@{self.shop.mail_domain}"
        return self._say(ago, self._rng.choice(QUESTIONS), author, **marks)

    def answers(self, ago: float, **marks: Any) -> "Story":
        """Somebody of the staff writes. Which signs of the page's side a message bears differs between networks."""
        name = self._rng.choice(STAFF)
        key = STAFF.index(name) + 1
        author = self._rng.choice(
            (
                {"id": self.shop.page_id, "name": self.shop.name},
                {"id": self.shop.page_id, "uid": f"u-{key}", "admin_id": str(key), "admin_name": name},
                {"id": f"staff-{key}", "name": name, "uid": key},
            )
        )
        return self._say(ago, self._rng.choice(ANSWERS), author, **marks)

    def automated(self, ago: float) -> "Story":
        """A flow answers."""
        author = {"id": self.shop.page_id, "name": self.shop.name, "is_automated": True}
        return self._say(ago, BOT_ANSWERS[0], author)

    def ai_generated(self, ago: float) -> "Story":
        """A language model answers in a member's name."""
        author = {"id": self.shop.page_id, "uid": "u-ai", "admin_name": "Trợ lý", "ai_generated": True}
        return self._say(ago, BOT_ANSWERS[1], author)

    def botcake(self, ago: float) -> "Story":
        """A Botcake bot answers, known by its prefix only."""
        return self._say(ago, f"<div>[Botcake Reply] {BOT_ANSWERS[0][5:]}", {"id": self.shop.page_id})

    def system(self, ago: float) -> "Story":
        """The platform notes something."""
        author = {"id": self.shop.page_id, "name": self.shop.name}
        return self._say(ago, "", author, attachments=[{"type": "system_message"}])

    # --- what moves no clock ---

    def tagged(self, *texts: str | None) -> "Story":
        """Tags, set a moment ago; None is what stays of a deleted tag."""
        self.tags = [None if text is None else {"id": index, "text": text} for index, text in enumerate(texts)]
        self.touched = self._at - timedelta(minutes=1)
        return self

    def untagged(self) -> "Story":
        """`tags` itself is null."""
        self.tags = None
        return self

    def assigned_to(self, name: str) -> "Story":
        """Given to a member of the staff a moment ago."""
        self.assigned = name
        self.touched = self._at - timedelta(minutes=2)
        return self

    # --- documents ---

    def document(self) -> Document:
        """The document in `fb_conversations`."""
        staff = [] if self.assigned is None else [{"id": f"staff-{self.assigned}", "name": self.assigned}]
        touched = self.touched.strftime("%Y-%m-%dT%H:%M:%S")
        return {
            "_id": {"$oid": f"{0xC0000 + self._number:024x}"},
            "pageId": self.shop.page_id,
            "pageUsername": self.shop.username,
            "conversationId": self.conversation_id,
            "customerId": f"cus_{self._number}",
            "panCakeData": {
                "id": self.conversation_id,
                "type": self.kind,
                "page_id": self.shop.page_id,
                "from": {"id": self.customer_id, "name": self.customer},
                "tags": self.tags,
                "updated_at": touched,
                "message_count": len(self.messages),
                "assignee_ids": [each["id"] for each in staff],
                "current_assign_users": staff,
                "assignee_histories": [{"inserted_at": touched, "payload": {"added_users": staff}}] if staff else [],
            },
            "panCakeUpdatedAt": _milliseconds(self.touched),
            "updatedAt": _milliseconds(self.touched),
        }

    def _say(self, ago: float, text: str, author: Document, **marks: Any) -> "Story":
        number = self._number * 100 + len(self.messages)
        sent_at = self._at - timedelta(minutes=ago)
        inserted_at, inserted_at_outside = TIME_FORMS[self._rng.randrange(len(TIME_FORMS))](sent_at)
        self.messages.append(
            {
                "_id": {"$oid": f"{0xD000000 + number:024x}"},
                "conversationId": self.conversation_id,
                "messageId": f"m_{number:08d}",
                "messageData": {
                    "id": f"m_{number:08d}",
                    "conversation_id": self.conversation_id,
                    "page_id": self.shop.page_id,
                    "type": self.kind,
                    "message": text,
                    "inserted_at": inserted_at,
                    "from": author,
                    "attachments": [],
                    "is_hidden": False,
                    "is_removed": False,
                    **marks,
                },
                "insertedAt": inserted_at_outside,
                "updatedAt": _milliseconds(sent_at),
            }
        )
        return self
