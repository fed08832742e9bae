"""The settings of Telegram: a bot and the chats to which it writes."""

import re
from dataclasses import dataclass

from config import fields
from config.channels.kind import ChannelKind
from config.reading import Values
from config.secret import Secret
from config.setting import Setting

_CHAT = re.compile(r"(-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{3,})(:[0-9]{1,10})?")
_TOKEN = re.compile(r"[0-9]{5,}:[A-Za-z0-9_-]{30,}")  # as BotFather gives them: 8-10 digits, 35 characters


@dataclass(frozen=True)
class TelegramSettings:
    """One bot that writes to one or more chats."""

    bot_token: Secret
    chats: tuple[str, ...]
    """Each `chat` or `chat:topic`."""
    api_url: str | None = None
    """None means Telegram's own."""
    takes_answers: bool = False
    """Whether messages have buttons, and we ask who has pressed one."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the channels to the chats are called: the first one `telegram`, each further one `telegram:<chat>`."""
        return ("telegram", *(f"telegram:{chat}" for chat in self.chats[1:]))


def _chats(value: str) -> tuple[str, ...]:
    """A comma-separated list of chats, each with an optional topic."""
    found = tuple(dict.fromkeys(chat.strip() for chat in value.split(",") if chat.strip()))
    if not found or not all(_CHAT.fullmatch(chat) for chat in found):
        raise ValueError("is not a chat id; write -1001234567890, @name, or -1001234567890:7 for a topic, with commas")
    return found


def _token(value: str) -> str:
    """A bot's token."""
    if not _TOKEN.fullmatch(value):
        raise ValueError("is no bot token; copy the one that @BotFather gave, digits, a colon, and 35 characters")
    return value


BOT_TOKEN: Setting[str] = Setting(
    "TELEGRAM_BOT_TOKEN", _token, "The token that @BotFather gave.",
    example="123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", secret=True,
)  # fmt: skip
CHAT_ID: Setting[tuple[str, ...]] = Setting(
    "TELEGRAM_CHAT_ID", _chats, "Chats, separated by commas; `chat:topic` names a topic of a forum.",
    example="-1001234567890,-1001234567890:7",
)  # fmt: skip
API_URL: Setting[str] = Setting(
    "TELEGRAM_API_URL", fields.web_address, "A Bot API server of one's own.", example="https://api.telegram.org"
)

ANSWERS: Setting[bool] = Setting(
    "TELEGRAM_ANSWERS", fields.on_or_off,
    "Buttons under the messages; only for a bot that no other program asks for its updates.", "off",
)  # fmt: skip


def _read(values: Values) -> TelegramSettings | None:
    """A bot's token and its chats; None if neither is set."""
    token, chats, api = values.optional(BOT_TOKEN), values.optional(CHAT_ID), values.optional(API_URL)
    takes_answers = values.required(ANSWERS)
    has_token, has_chats = values.given(BOT_TOKEN), values.given(CHAT_ID)
    if has_token and not values.tried(CHAT_ID):
        values.faults.append(
            f"{has_token.label('TELEGRAM_BOT_TOKEN')}: is set without TELEGRAM_CHAT_ID; set the chats it writes to."
        )
    if has_chats and not values.tried(BOT_TOKEN):
        values.faults.append(
            f"{has_chats.label('TELEGRAM_CHAT_ID')}: is set without TELEGRAM_BOT_TOKEN; set the token, or remove it."
        )
    if api and not has_token:
        values.notes.append("TELEGRAM_API_URL has no effect without TELEGRAM_BOT_TOKEN.")
    if takes_answers and not has_token:
        values.notes.append("TELEGRAM_ANSWERS has no effect without TELEGRAM_BOT_TOKEN.")
    return TelegramSettings(Secret(token), chats, api, takes_answers) if token and chats else None


KIND = ChannelKind(
    "telegram",
    (BOT_TOKEN, CHAT_ID, API_URL, ANSWERS),
    switches=(BOT_TOKEN,),
    set_up_by="TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID",
    read=_read,
)
