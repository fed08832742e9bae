"""Telegram: one chat, or one topic of a group (`chat:topic`).

Where answers are listened to, messages have buttons. Editing a message without naming its buttons takes them away.

What a process wrote that died before it could say so is looked for, and edited in the place of sending it again (see
`telegram_copies`). Where that could not be and it was sent again, all copies that are known are edited from then on.
"""

import html
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from roundsman.alerts.channels.base import HTTP_TIMEOUT, DeliveryError, Receipt, digest
from roundsman.alerts.channels.inert import inert
from roundsman.alerts.channels.seal import Seal
from roundsman.alerts.channels.telegram_api import TelegramApi
from roundsman.alerts.channels.telegram_copies import ONE_CALL, Copies, bears, hidden, numbers_of
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
        self._token = bot_token
        self._target = target
        self._chat, _, self._topic = target.partition(":")
        self.rates = _rates(bot_token, self._chat)
        self._api = TelegramApi(bot_token, clock, api_url=api_url, timeout=timeout, chat=self._chat)
        quick = TelegramApi(bot_token, clock, api_url=api_url, timeout=min(timeout, ONE_CALL), chat=self._chat)
        self._copies = Copies(quick, clock, bot_token.partition(":")[0], self._chat, self._topic)

    def __repr__(self) -> str:
        return f"TelegramChannel({self.name!r})"

    def send(self, message: Message) -> Receipt:
        mark = self._mark(message.id)
        if message.sent_since is None or not mark:
            return _receipt(self._chat, [self._post(message).get("message_id")])
        body = _body(message, self._seal, mark)

        def adopt(number: int) -> bool:
            return self._change(self._chat, number, body)

        marks = {mark, self._mark(message.in_place_of)} - {""}
        found = self._copies.before(message, marks, adopt)
        if found is not None and found.numbers:
            return _receipt(self._chat, found.numbers, all_copies_known=found.is_all, extra=found.forwards)
        sent = self._post(message)
        number = sent.get("message_id")
        if found is None and isinstance(number, int):
            found = self._copies.after(message, marks, adopt, number)
        if found is None:
            return _receipt(self._chat, [number])
        # A service that does not show our marks does not let us find any
        known = found.is_all and bears(sent, mark)
        return _receipt(self._chat, [number, *found.numbers], all_copies_known=known, extra=found.forwards)

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        """Edits all copies; of those that are gone meanwhile nothing is left in the receipt."""
        chat, numbers = receipt.keys.get("chat", ""), numbers_of(receipt.keys)
        body = _body(message, self._seal, self._mark(message.id))
        standing = [number for number in numbers if chat and self._change(chat, number, body)]
        if not standing:
            return self.send(message)
        return receipt if standing == numbers else _receipt(chat, standing)

    def _post(self, message: Message) -> dict[str, Any]:
        """The message as the service shows it."""
        body: dict[str, Any] = {"chat_id": self._chat, **_body(message, self._seal, self._mark(message.id))}
        if self._topic:
            body["message_thread_id"] = int(self._topic)
        first = (message.thread or {}).get("message", "")
        if first.isdigit():
            body["reply_parameters"] = {"message_id": int(first), "allow_sending_without_reply": True}
        found = self._api.call("sendMessage", body)
        return found if isinstance(found, dict) else {}

    def _change(self, chat: str, number: int, body: dict[str, Any]) -> bool:
        """Whether that message says so now. False: it is gone, or cannot be edited."""
        try:
            self._api.call("editMessageText", {"chat_id": chat, "message_id": number, **body})
        except DeliveryError as error:
            said = error.reason.lower()
            if NOT_MODIFIED in said:  # an earlier try had arrived, though its answer did not
                return True
            if any(fragment in said for fragment in NO_LONGER_EDITABLE):
                return False
            raise
        return True

    def _mark(self, name: str) -> str:
        """Of the message of this id: the same when it is sent once more, another one on channels into the same chat."""
        return digest("copy", self._token, self._target, name) if name else ""


def _receipt(chat: str, numbers: Sequence[Any], *, all_copies_known: bool = False, extra: int = 0) -> Receipt:
    """Of these copies, the newest first."""
    first, *others = ["" if number is None else str(number) for number in numbers]
    keys = {"chat": chat, "message": first} | ({"earlier": ",".join(others)} if others else {})
    return Receipt(f"message {' and '.join([first, *others])} in chat {chat}", keys, all_copies_known, extra)


def _rates(bot_token: str, chat: str) -> tuple[Rate, ...]:
    """What the service counts (Bot API FAQ, limits): 30 messages a second of a bot, and 20 a minute to a group, all its
    topics together, or about one a second to one person."""
    bot = Rate(f"telegram {digest(bot_token)}", timedelta(seconds=1) / 15, burst=15)
    key = f"telegram {digest(bot_token, chat)}"
    is_group = not chat.isdigit()  # groups and channels have negative numbers, or names
    return (bot, Rate(key, timedelta(seconds=4), burst=5) if is_group else Rate(key, timedelta(seconds=1)))


def _body(message: Message, seal: Seal | None, mark: str) -> dict[str, Any]:
    link = f'\n<a href="{html.escape(message.link)}">{_escape(message.link_label)}</a>' if message.link else ""
    called = f"\n{message.calls(_call, LONGEST_TEXT // 4)}" if message.mentions else ""
    title = escaped(f"{message.symbol} {message.title}", _escape, LONGEST_TEXT // 4)
    room = LONGEST_TEXT - len(title) - len(link) - len(called) - len(f"<b></b>{hidden(mark)}\n\n")
    lines = escaped("\n".join(message.lines), _escape, room // 2 if message.items else room) if message.lines else ""
    items = f"\n{message.listing(_item, room - len(lines))}" if message.items else ""
    return {
        "text": f"<b>{title}</b>{hidden(mark)}\n{lines}{items}{called}{link}".rstrip("\n"),
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
