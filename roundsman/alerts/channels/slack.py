"""Slack, by an incoming webhook or by a bot token with a channel. The only importer of slack_sdk.

A bot can edit what it wrote; a webhook cannot, so there the end of an alert is a new message.

The SDK keeps building and signing requests, but we carry them: left to itself it repeats a request after a lost
connection (a second message), follows redirects with the token in the header, and logs the webhook's URL.
"""

import json
import logging
import re
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.webhook import WebhookClient, WebhookResponse

from roundsman.alerts.channels.answers import scrub, secret_parts, status_fault
from roundsman.alerts.channels.base import HTTP_TIMEOUT, DeliveryError, Fault, Receipt, digest
from roundsman.alerts.channels.request import UNREACHED, carry
from roundsman.alerts.message import Item, Message, escaped
from roundsman.alerts.rate import Rate
from roundsman.answers import connection_words, retry_after, status_words
from roundsman.clock import Clock
from roundsman.repositories.audience import Mention

API_URL = "https://slack.com/api/"
LONGEST_BLOCK = 3000
"""Characters of a section's text (Slack, reference of the section block)."""
LONGEST_ITEM = 200
USER_ID, GROUP_ID = re.compile("[UW][A-Z0-9]{2,20}"), re.compile("S[A-Z0-9]{2,20}")
"""A name that was put where an id belongs must not become `<!channel>`, which wakes everybody."""

_FAULTS = {
    Fault.CHANNEL: """
        invalid_auth not_authed account_inactive token_revoked token_expired missing_scope not_allowed_token_type
        channel_not_found not_in_channel is_archived restricted_action ekm_access_denied access_denied no_permission
        org_login_required team_access_not_granted user_is_restricted two_factor_setup_required
        invalid_token no_service no_service_id no_team team_disabled no_active_hooks channel_is_archived
        action_prohibited posting_to_general_channel_denied""",
    Fault.REJECTED: """
        msg_too_long invalid_blocks invalid_blocks_format msg_blocks_too_long no_text invalid_payload
        too_many_attachments cannot_parse_attachment message_not_found cant_update_message edit_window_closed""",
    Fault.TEMPORARY: "ratelimited rate_limited",
}
FAULTS = {code: fault for fault, codes in _FAULTS.items() for code in codes.split()}
"""Error codes of chat.postMessage, chat.update and webhooks. An unknown one is judged by the HTTP status."""
NO_LONGER_EDITABLE = ("message_not_found", "cant_update_message", "edit_window_closed")

_SILENT = logging.Logger("slack_sdk.silent", logging.CRITICAL + 1)
"""The SDK logs request URLs and bodies; it gets a logger that belongs to nobody and says nothing."""


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
    ) -> None:
        self.name = name
        self.identity = digest("slack", webhook_url, bot_token, channel, api_url)
        self.rates = (Rate(f"slack {self.identity}", every),)
        self._clock = clock
        self._secrets = secret_parts(webhook_url, bot_token)
        self._bot: _Bot | None = None
        self._hook: _Webhook | None = None
        if bot_token and channel:
            self._channel = channel
            self._bot = _Bot(bot_token, api_url or API_URL, timeout)
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
        return self._call("chat.postMessage", {"channel": self._channel, **_body(message)})

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        ts, channel = receipt.keys.get("ts"), receipt.keys.get("channel")
        if self._bot is None or not ts or not channel:
            return self.send(message)
        try:
            return self._call("chat.update", {"channel": channel, "ts": ts, **_body(message)})
        except DeliveryError as error:
            if not any(code in error.reason for code in NO_LONGER_EDITABLE):
                raise
        return self.send(message)

    def _call(self, method: str, body: Mapping[str, Any]) -> Receipt:
        assert self._bot is not None
        fault: DeliveryError | None = None
        try:
            answer = self._bot.api_call(method, json=dict(body))
        except SlackApiError as error:
            answer = error.response
            code = str(answer.get("error", ""))
            fault = self._fault(answer.status_code, code, answer.headers)
        except _UNREACHED as error:
            fault = DeliveryError(Fault.TEMPORARY, f"Slack was not reached: {connection_words(error)}")
        if fault is not None:  # raised out here, so that it carries no exception of the SDK along
            raise fault
        keys = {"channel": str(answer.get("channel", "")), "ts": str(answer.get("ts", ""))}
        return Receipt(f"message {keys['ts']} in {keys['channel']}", keys)

    def _send_by_hook(self, message: Message) -> Receipt:
        assert self._hook is not None
        fault: DeliveryError | None = None
        try:
            answer = self._hook.send_dict(_body(message))
            if answer.status_code != 200 or answer.body.strip() != "ok":
                fault = self._fault(answer.status_code, answer.body.strip(), answer.headers)
        except _UNREACHED as error:
            fault = DeliveryError(Fault.TEMPORARY, f"Slack was not reached: {connection_words(error)}")
        if fault is not None:
            raise fault
        return Receipt("accepted by the webhook")

    def _fault(self, status: int, code: str, headers: Mapping[str, str]) -> DeliveryError:
        wait = retry_after(
            next((value for name, value in headers.items() if name.lower() == "retry-after"), None), self._clock.now()
        )
        code = code if re.fullmatch(r"[a-z][a-z_]{1,60}", code) else ""
        fault = FAULTS.get(code) or status_fault(status)
        if status == 429 or status >= 500:
            fault = Fault.TEMPORARY
        said = scrub(code, self._secrets) or ("an unreadable answer" if status < 300 else "no error code")
        return DeliveryError(fault, f"Slack answered {status_words(status)}: {said}", wait)


def _body(message: Message) -> dict[str, Any]:
    title = escaped(f"{message.symbol} {message.title}", _escape, LONGEST_BLOCK - 2)
    called = message.calls(_call, LONGEST_BLOCK)
    blocks = [_section(f"*{title}*")]
    if message.lines:
        blocks.append(_section(escaped("\n".join(message.lines), _escape, LONGEST_BLOCK)))
    if message.items:
        blocks.append(_section(message.listing(_item, LONGEST_BLOCK)))
    if called:
        blocks.append(_section(called))
    if message.link:
        blocks.append(_section(f"<{_escape(message.link)}|{_escape(message.link_label)}>"))
    return {
        "text": escaped(message.plain, _escape, LONGEST_BLOCK),
        "blocks": blocks,
        "parse": "none",  # of the text for notifications, which has no `verbatim`
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _item(item: Item) -> str:
    text = escaped(item.text, _escape, LONGEST_ITEM)
    return f"• <{_escape(item.link)}|{text}>" if item.link else f"• {text}"


def _call(mention: Mention) -> str:
    """A call that rings, for an id of Slack's own form; anything else is a name like any text."""
    if USER_ID.fullmatch(mention.slack_id or ""):
        return f"<@{mention.slack_id}>"
    if GROUP_ID.fullmatch(mention.slack_id or ""):
        return f"<!subteam^{mention.slack_id}>"
    return escaped(mention.name, _escape, LONGEST_ITEM)


def _section(text: str) -> dict[str, Any]:
    # verbatim: a customer named example.com, or @here, becomes no link and calls nobody
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _escape(text: str) -> str:
    """The three characters that mean something to Slack's parser (Slack, "Formatting text": escaping)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class _Bot(WebClient):
    def __init__(self, token: str, api_url: str, timeout: timedelta) -> None:
        super().__init__(token, api_url, logger=_SILENT, retry_handlers=[])
        self._patience = timeout

    def _perform_urllib_http_request_internal(self, url: str, req: urllib.request.Request) -> dict[str, Any]:
        answer = carry(req, self._patience)
        try:
            is_object = isinstance(json.loads(answer.text), dict)
        except (ValueError, RecursionError):
            is_object = False
        # an HTML page or a list would fail inside the SDK, which would hide the status from us
        return {"status": answer.status, "headers": answer.headers, "body": answer.text if is_object else "{}"}


class _Webhook(WebhookClient):
    def __init__(self, url: str, timeout: timedelta) -> None:
        super().__init__(url, logger=_SILENT, retry_handlers=[])
        self._patience = timeout

    def _perform_http_request_internal(self, url: str, req: urllib.request.Request) -> WebhookResponse:
        answer = carry(req, self._patience)
        return WebhookResponse(url=url, status_code=answer.status, body=answer.text, headers=dict(answer.headers))


_UNREACHED = (*UNREACHED, SlackClientError)
