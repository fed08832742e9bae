"""Copies of a Telegram message, of which a process died that sent them before it could write their numbers down.

The Bot API shows no history. But `forwardMessage` answers with the whole message that it forwards, and forwarding in
the chat itself, without a sound, changes nothing that stands there; `deleteMessage` takes the forward away at once. The
number of a forward also tells where the chat ends, so we look before a message is sent once more: at whatever the store
does not know, back to the newest number that it knew when the message was made. Where it knows none, the message is
sent, and we look backwards from it.

What we look for has a mark that nobody sees. Its words are no help: "has waited 23 min" has become "31 min" by now. And
what has the mark is a copy only if `editMessageText` takes it: a forward, whoever made it, cannot be edited.

Killed between a forward and its deletion, we leave a silent forward behind. Forwards count as messages for the rates of
the chat, so only a few are made, and what was not looked at stays unknown.
"""

import html
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from roundsman.alerts.channels.base import DeliveryError, Fault
from roundsman.alerts.channels.inert import JOINER
from roundsman.alerts.channels.telegram_api import TelegramApi
from roundsman.alerts.message import Message
from roundsman.clock import Clock

MOST_NUMBERS, MOST_FORWARDS = 40, 8
"""Numbers that are asked for, and those of them that exist: each costs one of a group's 20 messages a minute."""
MOST_FORBIDDEN = 3
"""Messages that cannot be forwarded, before we take it that none can."""
MOST_BEGINNINGS = 2
"""Known messages of which one must be there still."""
LONGEST_LOOK = timedelta(seconds=10)
"""The message itself has to be sent as well before the attempt is given up."""
ONE_CALL = timedelta(seconds=3)
MISSING, FORBIDDEN = "not found", "refused"
_LINK = "https://t.me/#"


def hidden(mark: str) -> str:
    """The mark, as HTML of a message: a link on a character without width. Nobody follows it, and it has no preview."""
    return f'<a href="{_LINK}{html.escape(mark)}">{JOINER}</a>' if mark else ""


def bears(result: Any, *marks: str) -> bool:
    """Whether a message, as the Bot API gives it, has one of the marks."""
    return not _marks_of(result).isdisjoint(marks)


def is_unmarked(forward: Any, bot: str) -> bool:
    """Whether it is a message of this bot without any mark: a version of before wrote it, and it may be whatever."""
    origin = forward.get("forward_origin") if isinstance(forward, dict) else None
    sender = origin.get("sender_user") if isinstance(origin, dict) else None
    return isinstance(sender, dict) and str(sender.get("id")) == bot and not _marks_of(forward)


def _marks_of(result: Any) -> set[str]:
    found = result.get("entities") if isinstance(result, dict) else None
    links = [each.get("url") for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return {link.removeprefix(_LINK) for link in links if isinstance(link, str) and link.startswith(_LINK)}


def numbers_of(keys: Mapping[str, str]) -> list[int]:
    """Of all copies that a receipt names, the newest first."""
    numbers = [keys.get("message", ""), *keys.get("earlier", "").split(",")]
    return [int(each) for each in numbers if each.isdigit()]


@dataclass(frozen=True)
class Found:
    """What a look has found."""

    numbers: tuple[int, ...]
    """Of the copies, the newest first."""
    is_all: bool
    """There are no others."""
    forwards: int


class Copies:
    """Looks for them in one chat, or one topic of it."""

    def __init__(self, api: TelegramApi, clock: Clock, bot: str, chat: str, topic: str) -> None:
        """`bot`: the number of ours."""
        self.bot = bot
        self._api = api
        self._clock = clock
        self._chat = chat
        self._topic = topic

    def before(self, message: Message, marks: Collection[str], adopt: Callable[[int], bool]) -> Found | None:
        """Look before it is sent once more. None: nobody knows where the chat ends.

        `adopt` makes a message say what this one does; False: it cannot be edited, so it is no copy. Raises
        DeliveryError where the service wants to be left alone, or does not take such an edit now: nothing has been
        sent yet, so it can be looked for later.
        """
        look = _Look(self, message, marks, adopt)
        for number in sorted(look.known, reverse=True)[:MOST_BEGINNINGS]:
            try:
                forward = look.forward(number)
            except _CutShortError:
                return look.found(is_all=False)
            if isinstance(forward, dict):
                return look.below(int(forward.get("message_id", 0)))
            if forward is FORBIDDEN:  # the content of the whole chat is protected
                return look.found(is_all=False)
        return None

    def after(self, message: Message, marks: Collection[str], adopt: Callable[[int], bool], number: int) -> Found:
        """Look backwards from the repeat. Raises nothing: that one was sent, whatever happens now."""
        look = _Look(self, message, marks, adopt)
        try:
            return look.below(number)
        except DeliveryError:
            return look.found(is_all=False)

    def known(self, message: Message) -> dict[int, bool]:
        """The numbers that the store knows in this chat, and whether they are older than the message."""
        known: dict[int, bool] = {}
        for keys, is_earlier in message.known:
            if keys.get("chat") == self._chat:
                known |= dict.fromkeys(numbers_of(keys), is_earlier)
        return known

    def forward(self, number: int) -> Any:
        body: dict[str, Any] = {
            "chat_id": self._chat, "from_chat_id": self._chat, "message_id": number, "disable_notification": True,
        }  # fmt: skip
        if self._topic:
            body["message_thread_id"] = int(self._topic)
        return self._api.call("forwardMessage", body)

    def delete(self, number: int) -> None:
        self._api.call("deleteMessage", {"chat_id": self._chat, "message_id": number})

    def seconds(self) -> float:
        return self._clock.monotonic()


class _CutShortError(Exception):
    """No further look is to be had."""


class _Look:
    """One look: what it has found and cost so far."""

    def __init__(self, copies: Copies, message: Message, marks: Collection[str], adopt: Callable[[int], bool]) -> None:
        self._copies = copies
        self._marks = marks
        self._adopt = adopt
        self._most = max(message.tries_before, 1)
        self._until = copies.seconds() + LONGEST_LOOK.total_seconds()
        self.known = copies.known(message)
        self._numbers: list[int] = []
        self._asked, self._forwards, self._forbidden, self._unmarked = 0, 0, 0, 0

    def below(self, end: int) -> Found:
        try:
            for number in self._places(end):
                if len(self._numbers) >= self._most:
                    break
                if number in self.known:
                    continue
                shown = self.forward(number)
                self._unmarked += is_unmarked(shown, self._copies.bot)
                if bears(shown, *self._marks) and self._adopt(number):
                    self._numbers.append(number)
        except _CutShortError:
            return self.found(is_all=False)
        # What tells of joining and pinning cannot be forwarded; in a chat with protected content, nothing can
        return self.found(is_all=not self._unmarked and (not self._forbidden or self._forwards > 0))

    def _places(self, end: int) -> Iterator[int]:
        """The likely ones first: it was the last that we wrote before we died, so it stands behind what is known and
        before what was written since. Which of the two is more, nobody knows: people write before and after, and a
        daemon that is killed again and again while it looks leaves behind as many numbers that are gone."""
        newest = max((number for number in self.known if number < end), default=0)
        low, high = newest + 1, end - 1
        while low <= high:
            yield high
            if newest and low < high:
                yield low
                low += 1
            high -= 1
        floor = max((number for number, is_earlier in self.known.items() if is_earlier), default=0)
        yield from range(newest - 1, floor, -1)

    def found(self, *, is_all: bool) -> Found:
        return Found(tuple(sorted(self._numbers, reverse=True)), is_all, self._forwards)

    def forward(self, number: int) -> Any:
        """The message as it was forwarded, MISSING or FORBIDDEN; the forward is gone already."""
        is_late = self._copies.seconds() >= self._until
        if is_late or self._asked >= MOST_NUMBERS or self._forwards >= MOST_FORWARDS:
            raise _CutShortError
        self._asked += 1
        try:
            forward = self._copies.forward(number)
        except DeliveryError as error:
            if error.fault is Fault.REJECTED:
                is_missing = MISSING in error.reason.lower()
                self._forbidden += not is_missing
                if self._forbidden >= MOST_FORBIDDEN and not self._forwards:
                    raise _CutShortError from None
                return MISSING if is_missing else FORBIDDEN
            if error.retry_after is not None:
                raise
            raise _CutShortError from None  # whether the message itself can be sent, that will show
        self._forwards += 1
        self._take_away(forward)
        return forward

    def _take_away(self, forward: Any) -> None:
        number = forward.get("message_id") if isinstance(forward, dict) else None
        if not isinstance(number, int):
            raise _CutShortError
        try:
            self._copies.delete(number)
        except DeliveryError as first:
            if first.fault is not Fault.TEMPORARY:
                raise _CutShortError from None  # one that stays is enough
            try:
                self._copies.delete(number)
            except DeliveryError:
                raise _CutShortError from None
