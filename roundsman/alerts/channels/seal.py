"""The seal on buttons: what a button carries, and the proof that it was we who made it.

Programs of users can send a service whatever they like in the name of a button. So what a button carries ends in a
message authentication code under a key that is derived from the bot's own token. The name of the store is part of what
it proves: after a store was made anew, a button of before means nothing, although its number exists again.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

from roundsman.alerts.action import Action
from roundsman.alerts.message import Answer, Message

_MAC_BYTES = 12
_FORM = re.compile(r"([a-z0-9]{2,8}):(0|[1-9][0-9]{0,17}):([A-Za-z0-9_-]{16})")


class Asked(NamedTuple):
    """What a press asks for."""

    action: Action
    notification: int


class Seal:
    """Makes and reads what buttons carry: at most 44 ASCII characters, of the 64 that Telegram takes."""

    def __init__(self, secret: str, store: Callable[[], str]) -> None:
        """`store` names the store; asked for when it is first needed."""
        self._key = hashlib.sha256(b"buttons\0" + secret.encode()).digest()
        self._read_store = store

    @cached_property
    def _store(self) -> str:
        return self._read_store()

    def data(self, answer: Answer) -> str:
        """What the button of this answer carries."""
        return f"{answer.action}:{answer.notification}:{self._mac(answer.action, answer.notification)}"

    def read(self, data: str) -> Asked | None:
        """What it asks for; None if it is none of ours."""
        found = _FORM.fullmatch(data)
        if found is None or not data.isascii():
            return None
        try:
            action, number = Action(found[1]), int(found[2])
        except ValueError:
            return None
        return Asked(action, number) if hmac.compare_digest(found[3], self._mac(action, number)) else None

    def rows(self, message: Message) -> list[list[tuple[Answer, str]]]:
        """The buttons of a message with what they carry, row by row: snoozes stand together."""
        grouped = groupby(message.answers, key=lambda answer: answer.action.is_snooze)
        return [[(answer, self.data(answer)) for answer in group] for _, group in grouped]

    def _mac(self, action: Action, notification: int) -> str:
        text = f"{self._store}\0{action.value}\0{notification}".encode()
        return urlsafe_b64encode(hmac.digest(self._key, text, "sha256")[:_MAC_BYTES]).decode()
