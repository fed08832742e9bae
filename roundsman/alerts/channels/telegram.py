"""Telegram, by the Bot API over requests: one chat, or one topic of a group (`chat:topic`).

The bot's token rides in the path of every URL, so nothing that requests or urllib3 says about a request may get
out: their exceptions are reduced to their kind, and urllib3's own log, which prints the path, is held at WARNING.
"""

import html
import json
import logging
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import requests
import urllib3

from roundsman.alerts.channels.answers import scrub, secret_parts, status_fault
from roundsman.alerts.channels.base import HTTP_TIMEOUT, DeliveryError, Fault, Receipt, digest
from roundsman.alerts.channels.inert import inert
from roundsman.alerts.message import Item, Message, escaped
from roundsman.alerts.rate import Rate
from roundsman.answers import connection_words, read_all, retry_after, status_words
from roundsman.clock import Clock
from roundsman.repositories.audience import Mention

API_URL = "https://api.telegram.org"
LONGEST_TEXT = 4096
"""Characters of a message after its entities are parsed (Bot API, sendMessage); we stay below it before, too."""
LONGEST_ITEM = 200
USER_NUMBER, USER_NAME = re.compile("[1-9][0-9]{2,19}"), re.compile("@?[A-Za-z][A-Za-z0-9_]{3,31}")

CHANNEL_CLOSED = (
    "chat not found",
    "thread not found",
    "topic_closed",
    "topic_deleted",
    "upgraded to a supergroup",
    "not enough rights",
    "have no rights",
    "need administrator rights",
    "chat_write_forbidden",
    "chat_restricted",
    "peer_id_invalid",
    "user is deactivated",
)
"""Fragments of descriptions that arrive with status 400 and yet will not go away by themselves."""
NOT_MODIFIED = "message is not modified"
NO_LONGER_EDITABLE = ("message to edit not found", "message can't be edited", "message_id_invalid")


class TelegramChannel:
    """Delivers to one Telegram chat or topic."""

    can_edit = True

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        bot_token: str,
        target: str,
        api_url: str | None = None,
        timeout: timedelta = HTTP_TIMEOUT,
    ) -> None:
        self.name = name
        self.identity = digest("telegram", bot_token, target, api_url)
        self._clock = clock
        self._timeout = timeout
        self._chat, _, self._topic = target.partition(":")
        self.rates = _rates(bot_token, self._chat)
        self._secrets = secret_parts(bot_token)
        self._base = f"{(api_url or API_URL).rstrip('/')}/bot{bot_token}/"
        for noisy in ("urllib3.connectionpool", "urllib3.util.retry"):
            logging.getLogger(noisy).setLevel(logging.WARNING)

    def __repr__(self) -> str:
        return f"TelegramChannel({self.name!r})"

    def send(self, message: Message) -> Receipt:
        body: dict[str, Any] = {"chat_id": self._chat, **_body(message)}
        if self._topic:
            body["message_thread_id"] = int(self._topic)
        result = self._call("sendMessage", body)
        keys = {"chat": self._chat, "message": str(result.get("message_id", ""))}
        return Receipt(f"message {keys['message']} in chat {self._chat}", keys)

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        chat, number = receipt.keys.get("chat"), receipt.keys.get("message", "")
        if not chat or not number.isdigit():
            return self.send(message)
        try:
            self._call("editMessageText", {"chat_id": chat, "message_id": int(number), **_body(message)})
        except DeliveryError as error:
            said = error.reason.lower()
            if NOT_MODIFIED in said:  # an earlier try had arrived, though its answer did not
                return receipt
            if not any(fragment in said for fragment in NO_LONGER_EDITABLE):
                raise
            return self.send(message)
        return receipt

    def _call(self, method: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        fault: DeliveryError | None = None
        try:
            with requests.post(
                self._base + method,
                json=body,
                timeout=self._timeout.total_seconds(),
                allow_redirects=False,
                stream=True,
            ) as response:
                # by single bytes, as a larger read waits until all of it has dripped in
                answer = _parsed(read_all(response.iter_content(1), self._timeout))
                if response.status_code == 200 and answer.get("ok") is True:
                    result = answer.get("result")
                    return result if isinstance(result, dict) else {}
                fault = self._fault(response.status_code, answer, response.headers)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            fault = DeliveryError(Fault.TEMPORARY, f"Telegram was not reached: {_words(error)}")
        raise fault  # out here, so that it carries no exception of requests along

    def _fault(self, status: int, answer: Mapping[str, Any], headers: Mapping[str, str]) -> DeliveryError:
        code = answer.get("error_code")
        status = code if status == 200 and isinstance(code, int) else status
        found = answer.get("parameters")
        parameters: Mapping[str, Any] = found if isinstance(found, dict) else {}
        said = scrub(str(answer.get("description", "")), self._secrets)
        fault = status_fault(status)
        if status == 400 and any(fragment in said.lower() for fragment in CHANNEL_CLOSED):
            fault = Fault.CHANNEL
        if isinstance(moved := parameters.get("migrate_to_chat_id"), int):
            fault, said = Fault.CHANNEL, f"the group has a new chat id, {moved}; put it in place of {self._chat}"
        asked = str(parameters["retry_after"]) if "retry_after" in parameters else headers.get("Retry-After")
        wait = retry_after(asked, self._clock.now())
        return DeliveryError(fault, f"Telegram answered {status_words(status)}: {said or 'an unreadable answer'}", wait)


def _rates(bot_token: str, chat: str) -> tuple[Rate, ...]:
    """What the service counts (Bot API FAQ, limits): 30 messages a second of a bot, and 20 a minute to a group, all its
    topics together, or about one a second to one person."""
    bot = Rate(f"telegram {digest(bot_token)}", timedelta(seconds=1) / 15, burst=15)
    key = f"telegram {digest(bot_token, chat)}"
    is_group = not chat.isdigit()  # groups and channels have negative numbers, or names
    return (bot, Rate(key, timedelta(seconds=4), burst=5) if is_group else Rate(key, timedelta(seconds=1)))


def _body(message: Message) -> dict[str, Any]:
    link = f'\n<a href="{html.escape(message.link)}">{_escape(message.link_label)}</a>' if message.link else ""
    called = f"\n{message.calls(_call, LONGEST_TEXT // 4)}" if message.mentions else ""
    title = escaped(f"{message.symbol} {message.title}", _escape, LONGEST_TEXT // 4)
    room = LONGEST_TEXT - len(title) - len(link) - len(called) - len("<b></b>\n\n")
    lines = escaped("\n".join(message.lines), _escape, room // 2 if message.items else room) if message.lines else ""
    items = f"\n{message.listing(_item, room - len(lines))}" if message.items else ""
    return {
        "text": f"<b>{title}</b>\n{lines}{items}{called}{link}".rstrip("\n"),
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }


def _item(item: Item) -> str:
    text = escaped(item.text, _escape, LONGEST_ITEM)
    return f'• <a href="{html.escape(item.link)}">{text}</a>' if item.link else f"• {text}"


def _call(mention: Mention) -> str:
    """A call that rings, for a user's number or user name; anything else is a name like any text."""
    name, known_as = escaped(mention.name, _escape, LONGEST_ITEM), mention.telegram_id or ""
    if USER_NUMBER.fullmatch(known_as):
        return f'<a href="tg://user?id={known_as}">{name}</a>'
    return f"@{known_as.removeprefix('@')}" if USER_NAME.fullmatch(known_as) else name


def _escape(text: str) -> str:
    """As HTML, and without what Telegram would make of it: every `@name` calls, every `name.example` is a link."""
    return html.escape(inert(text))


def _parsed(body: bytes) -> Mapping[str, Any]:
    """The answer's JSON object; an empty one for anything else."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _words(error: BaseException) -> str:
    """Requests wraps what happened several times; only the kinds are read."""
    if isinstance(error, requests.Timeout):
        return connection_words(TimeoutError())
    while isinstance(inner := next((arg for arg in error.args if isinstance(arg, BaseException)), None), BaseException):
        error = inner
    reason = getattr(error, "reason", None)
    return connection_words(reason if isinstance(reason, BaseException) else error)
