"""Telegram: one chat, or one topic of a group (`chat:topic`).

Where answers are listened to, messages have buttons. Editing a message without naming its buttons takes them away.
"""

import html
import re
from datetime import timedelta
from typing import Any

from roundsman.alerts.channels.base import HTTP_TIMEOUT, DeliveryError, Receipt, digest
from roundsman.alerts.channels.inert import inert
from roundsman.alerts.channels.seal import Seal
from roundsman.alerts.channels.telegram_api import TelegramApi
from roundsman.alerts.message import Item, Message, escaped
from roundsman.alerts.rate import Rate
from roundsman.clock import Clock
from roundsman.repositories.audience import Mention

LONGEST_TEXT = 4096
"""Characters of a message after its entities are parsed (Bot API, sendMessage); we stay below it before, too."""
LONGEST_ITEM = 200
USER_NUMBER, USER_NAME = re.compile("[1-9][0-9]{2,19}"), re.compile("@?[A-Za-z][A-Za-z0-9_]{3,31}")

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
        seal: Seal | None = None,
    ) -> None:
        """`seal`: of buttons, if somebody listens to what is pressed."""
        self.name = name
        self.identity = digest("telegram", bot_token, target, api_url)
        self._seal = seal
        self._chat, _, self._topic = target.partition(":")
        self.rates = _rates(bot_token, self._chat)
        self._api = TelegramApi(bot_token, clock, api_url=api_url, timeout=timeout, chat=self._chat)

    def __repr__(self) -> str:
        return f"TelegramChannel({self.name!r})"

    def send(self, message: Message) -> Receipt:
        body: dict[str, Any] = {"chat_id": self._chat, **_body(message, self._seal)}
        if self._topic:
            body["message_thread_id"] = int(self._topic)
        first = (message.thread or {}).get("message", "")
        if first.isdigit():
            body["reply_parameters"] = {"message_id": int(first), "allow_sending_without_reply": True}
        found = self._api.call("sendMessage", body)
        result = found if isinstance(found, dict) else {}
        keys = {"chat": self._chat, "message": str(result.get("message_id", ""))}
        return Receipt(f"message {keys['message']} in chat {self._chat}", keys)

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        chat, number = receipt.keys.get("chat"), receipt.keys.get("message", "")
        if not chat or not number.isdigit():
            return self.send(message)
        try:
            body = _body(message, self._seal)
            self._api.call("editMessageText", {"chat_id": chat, "message_id": int(number), **body})
        except DeliveryError as error:
            said = error.reason.lower()
            if NOT_MODIFIED in said:  # an earlier try had arrived, though its answer did not
                return receipt
            if not any(fragment in said for fragment in NO_LONGER_EDITABLE):
                raise
            return self.send(message)
        return receipt


def _rates(bot_token: str, chat: str) -> tuple[Rate, ...]:
    """What the service counts (Bot API FAQ, limits): 30 messages a second of a bot, and 20 a minute to a group, all its
    topics together, or about one a second to one person."""
    bot = Rate(f"telegram {digest(bot_token)}", timedelta(seconds=1) / 15, burst=15)
    key = f"telegram {digest(bot_token, chat)}"
    is_group = not chat.isdigit()  # groups and channels have negative numbers, or names
    return (bot, Rate(key, timedelta(seconds=4), burst=5) if is_group else Rate(key, timedelta(seconds=1)))


def _body(message: Message, seal: Seal | None) -> dict[str, Any]:
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
        **_buttons(message, seal),
    }


def _buttons(message: Message, seal: Seal | None) -> dict[str, Any]:
    if seal is None or not message.answers:
        return {}
    rows = [[{"text": answer.label, "callback_data": data} for answer, data in row] for row in seal.rows(message)]
    return {"reply_markup": {"inline_keyboard": rows}}


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
