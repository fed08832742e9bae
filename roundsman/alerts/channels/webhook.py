"""Another program, by a signed POST for each message. What it has got cannot be edited: the end is a post of its own.

    {"version": 1, "id": "alert-7-1772510400-firing-1", "incident": "alert-7-1772510400", "event": "firing", ...}

`id` is the same at every attempt. `version` grows when a field goes away or changes its meaning; new fields may come
at any time. How a post is signed, and where it may lead, is in `roundsman.webhooks`.
"""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

from roundsman.alerts.channels.answers import status_fault
from roundsman.alerts.channels.base import HTTP_TIMEOUT, DeliveryError, Fault, Receipt, digest
from roundsman.alerts.channels.plain import plain_text
from roundsman.alerts.message import Message, cut
from roundsman.alerts.rate import Rate
from roundsman.answers import retry_after, status_words
from roundsman.clock import Clock
from roundsman.webhooks.connection import Resolve, resolve
from roundsman.webhooks.post import SignedPosts, UnreachedError

VERSION = 1
LONGEST_TEXT = 4000
LONGEST_LINE = 500
MOST_ITEMS = 200
"""Lines of a digest; how many are left out is told. With all else a body stays far below a megabyte."""


class WebhookChannel:
    """Posts to one URL."""

    can_edit = False

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        url: str,
        secret: str,
        allow_private: bool = False,
        timeout: timedelta = HTTP_TIMEOUT,
        find: Resolve = resolve,
    ) -> None:
        self.name = name
        self.identity = digest("webhook", url, secret, str(allow_private))
        self.rates = (Rate(f"webhook {self.identity}", timedelta(milliseconds=100)),)
        self._clock = clock
        self._posts = SignedPosts(
            url,
            secret,
            allow_private=allow_private,
            allowed_by="ALERT_WEBHOOK_ALLOW_PRIVATE",
            timeout=timeout,
            limit=2 * timeout,
            find=find,
        )

    def __repr__(self) -> str:
        return f"WebhookChannel({self.name!r})"

    def send(self, message: Message) -> Receipt:
        return self._post(message, None)

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        return self._post(message, receipt.keys.get("id"))

    def _post(self, message: Message, in_reply_to: str | None) -> Receipt:
        number = message.id or f"test-{uuid4().hex}"
        told = json.dumps({"version": VERSION, "id": number, **_facts(message), "in_reply_to": in_reply_to})
        fault: DeliveryError | None = None
        try:
            answer = self._posts.post(told.encode(), self._clock.now())
        except UnreachedError as error:
            fault = DeliveryError(Fault.TEMPORARY, f"The webhook was not reached: {error}")
        else:
            if not 200 <= answer.status < 300:
                words = f"The webhook answered {status_words(answer.status)}"
                wait = retry_after(answer.getheader("Retry-After"), self._clock.now())
                fault = DeliveryError(status_fault(answer.status), words, wait)
        finally:
            self._posts.close()  # alerts are rare: nobody keeps a connection open from one to the next
        if fault is not None:
            raise fault
        return Receipt(f"accepted as {number}", {"id": number})


def _facts(message: Message) -> dict[str, Any]:
    items = [{"text": cut(item.text, LONGEST_LINE), "link": item.link} for item in message.items[:MOST_ITEMS]]
    return {
        "incident": message.incident or None,
        "event": message.event.value,
        "severity": message.severity.value,
        "title": cut(message.title, LONGEST_LINE),
        "lines": [cut(line, LONGEST_LINE) for line in message.lines],
        "text": plain_text(message, LONGEST_TEXT),
        "link": message.link,
        "items": items,
        "items_left_out": len(message.items) - len(items),
        "mentions": [
            {"name": each.name, "slack": each.slack_id, "telegram": each.telegram_id} for each in message.mentions
        ],
        "fields": dict(message.fields),
    }
