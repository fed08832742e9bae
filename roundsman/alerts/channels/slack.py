"""Slack, by an incoming webhook or by a bot token with a channel.

A bot can edit what it wrote; a webhook cannot, so there the end of an alert is a new message. A bot with the scope
`channels:history` also finds what a process wrote that died before it could say so, and does not write it again. Where
answers are listened to, a bot's messages have buttons. Higher levels of an alert are answers to its first message.
"""

import re
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from slack_sdk.webhook import WebhookClient, WebhookResponse

from roundsman.alerts.channels.answers import secret_parts
from roundsman.alerts.channels.base import HTTP_TIMEOUT, DeliveryError, Fault, Receipt, digest
from roundsman.alerts.channels.request import carry
from roundsman.alerts.channels.seal import Seal
from roundsman.alerts.channels.slack_api import NOT_ANSWERED, SILENT, SlackApi, escape, fault_of
from roundsman.alerts.message import Item, Message, escaped
from roundsman.alerts.rate import Rate
from roundsman.answers import connection_words
from roundsman.clock import Clock
from roundsman.repositories.audience import Mention

LONGEST_BLOCK = 3000
"""Characters of a section's text (Slack, reference of the section block)."""
LONGEST_ITEM = 200
USER_ID, GROUP_ID = re.compile("[UW][A-Z0-9]{2,20}"), re.compile("S[A-Z0-9]{2,20}")
"""A name that was put where an id belongs must not become `<!channel>`, which wakes everybody."""

NO_THREAD = ("thread_not_found", "cannot_reply_to_message", "invalid_thread_ts", "message_not_found")
"""The first message is gone, or can have no answers."""
EVENT_TYPE = "roundsman_alert"
"""Of the metadata by which a message is found again (Slack, "Message metadata")."""
MOST_LOOKED_AT = 200
CLOCKS_DIFFER_S = 300
"""Slack's clock is not ours."""

NO_LONGER_EDITABLE = ("message_not_found", "cant_update_message", "edit_window_closed")


class SlackChannel:
    """Delivers to one Slack channel."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        webhook_url: str | None = None,
        bot_token: str | None = None,
        channel: str | None = None,
        api_url: str | None = None,
        every: timedelta = timedelta(seconds=1),  # Slack, "Rate limits": about one message a second a channel
        timeout: timedelta = HTTP_TIMEOUT,
        seal: Seal | None = None,
    ) -> None:
        """`seal`: of buttons, if somebody listens to what is pressed."""
        self.name = name
        self.identity = digest("slack", webhook_url, bot_token, channel, api_url)
        self.rates = (Rate(f"slack {self.identity}", every),)
        self._clock = clock
        self._secrets = secret_parts(webhook_url, bot_token)
        self._seal = seal
        self._bot: SlackApi | None = None
        self._hook: _Webhook | None = None
        if bot_token and channel:
            self._channel = channel
            self._bot = SlackApi(bot_token, clock, api_url=api_url, timeout=timeout)
        elif webhook_url:
            self._hook = _Webhook(webhook_url, timeout)
        else:
            raise ValueError("a Slack channel needs a webhook URL, or a bot token with a channel")

    def __repr__(self) -> str:
        return f"SlackChannel({self.name!r})"

    @property
    def can_edit(self) -> bool:
        return self._bot is not None

    def send(self, message: Message) -> Receipt:
        if self._hook is not None:
            return self._send_by_hook(message)
        body = {"channel": self._channel, **_body(message, self._seal)}
        if message.id:
            body["metadata"] = {"event_type": EVENT_TYPE, "event_payload": {"id": message.id}}
        first = (message.thread or {}).get("ts")
        if message.sent_since is None:
            return self._post(body, first)
        standing = self._standing(message.sent_since)
        found = None if standing is None else standing.get(message.id) or standing.get(message.in_place_of)
        receipt = self._post(body, first) if found is None else self.edit(found, message)
        return replace(receipt, all_copies_known=standing is not None)

    def _post(self, body: Mapping[str, Any], first: str | None) -> Receipt:
        """Write it, as an answer to the first message about the same alert if that is still there."""
        if first is not None:
            # Shown in the channel as well: a higher level must not be overlooked in a thread that nobody opens
            answer = {"thread_ts": first, "reply_broadcast": True}
            try:
                return self._call("chat.postMessage", {**body, **answer})
            except DeliveryError as error:
                if not any(code in error.reason for code in NO_THREAD):
                    raise
        return self._call("chat.postMessage", body)

    def _standing(self, since: datetime) -> Mapping[str, Receipt] | None:
        """Our messages since then, by their ids. None: without the scope for that nobody knows."""
        assert self._bot is not None
        oldest = f"{since.timestamp() - CLOCKS_DIFFER_S:.6f}"
        asked = {"channel": self._channel, "oldest": oldest, "limit": MOST_LOOKED_AT, "include_all_metadata": True}
        try:
            answer = self._bot.call("conversations.history", asked)
        except DeliveryError as error:
            if error.fault is Fault.TEMPORARY:
                raise  # asked again later, it may well be there
            return None
        found: dict[str, Receipt] = {}
        for each in answer.get("messages") or ():
            metadata = each.get("metadata") if isinstance(each, dict) else None
            payload = metadata.get("event_payload") if isinstance(metadata, dict) else None
            if isinstance(payload, dict) and each.get("ts"):
                keys = {"channel": self._channel, "ts": str(each["ts"])}
                found[str(payload.get("id"))] = Receipt(f"message {keys['ts']} in {keys['channel']}", keys)
        return found

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        ts, channel = receipt.keys.get("ts"), receipt.keys.get("channel")
        if self._bot is None or not ts or not channel:
            return self.send(message)
        try:
            return self._call("chat.update", {"channel": channel, "ts": ts, **_body(message, self._seal)})
        except DeliveryError as error:
            if not any(code in error.reason for code in NO_LONGER_EDITABLE):
                raise
        return self.send(message)

    def _call(self, method: str, body: Mapping[str, Any]) -> Receipt:
        assert self._bot is not None
        answer = self._bot.call(method, body)
        keys = {"channel": str(answer.get("channel", "")), "ts": str(answer.get("ts", ""))}
        return Receipt(f"message {keys['ts']} in {keys['channel']}", keys)

    def _send_by_hook(self, message: Message) -> Receipt:
        assert self._hook is not None
        fault: DeliveryError | None = None
        try:
            answer = self._hook.send_dict(_body(message, None))
            if answer.status_code != 200 or answer.body.strip() != "ok":
                fault = fault_of(answer.status_code, answer.body.strip(), answer.headers, self._secrets, self._clock)
        except NOT_ANSWERED as error:
            fault = DeliveryError(Fault.TEMPORARY, f"Slack was not reached: {connection_words(error)}")
        if fault is not None:
            raise fault
        return Receipt("accepted by the webhook")


def _body(message: Message, seal: Seal | None) -> dict[str, Any]:
    title = escaped(f"{message.symbol} {message.title}", escape, LONGEST_BLOCK - 2)
    called = message.calls(_call, LONGEST_BLOCK)
    blocks = [_section(f"*{title}*")]
    if message.lines:
        blocks.append(_section(escaped("\n".join(message.lines), escape, LONGEST_BLOCK)))
    if message.items:
        blocks.append(_section(message.listing(_item, LONGEST_BLOCK)))
    if called:
        blocks.append(_section(called))
    if message.link:
        blocks.append(_section(f"<{escape(message.link)}|{escape(message.link_label)}>"))
    if seal is not None and message.answers:
        blocks.append({"type": "actions", "elements": _buttons(message, seal)})
    return {
        "text": escaped(message.plain, escape, LONGEST_BLOCK),
        "blocks": blocks,
        "parse": "none",  # of the text for notifications, which has no `verbatim`
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _buttons(message: Message, seal: Seal) -> list[dict[str, Any]]:
    return [
        {
            "type": "button",
            "action_id": answer.action.value,
            "text": {"type": "plain_text", "text": answer.label},
            "value": data,
        }
        for row in seal.rows(message)
        for answer, data in row
    ]


def _item(item: Item) -> str:
    text = escaped(item.text, escape, LONGEST_ITEM)
    return f"• <{escape(item.link)}|{text}>" if item.link else f"• {text}"


def _call(mention: Mention) -> str:
    """A call that rings, for an id of Slack's own form; anything else is a name like any text."""
    if USER_ID.fullmatch(mention.slack_id or ""):
        return f"<@{mention.slack_id}>"
    if GROUP_ID.fullmatch(mention.slack_id or ""):
        return f"<!subteam^{mention.slack_id}>"
    return escaped(mention.name, escape, LONGEST_ITEM)


def _section(text: str) -> dict[str, Any]:
    # verbatim: a customer named example.com, or @here, becomes no link and calls nobody
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


class _Webhook(WebhookClient):
    def __init__(self, url: str, timeout: timedelta) -> None:
        super().__init__(url, logger=SILENT, retry_handlers=[])
        self._patience = timeout

    def _perform_http_request_internal(self, url: str, req: urllib.request.Request) -> WebhookResponse:
        answer = carry(req, self._patience)
        return WebhookResponse(url=url, status_code=answer.status, body=answer.text, headers=dict(answer.headers))
