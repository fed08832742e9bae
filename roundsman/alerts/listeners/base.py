"""What a listener is, and the service that holds those which are configured.

A listener only fetches presses and tells what came of them. What a press does is decided at the desk
(`alerts.answers`).
"""

import logging
from collections.abc import Sequence
from typing import Protocol

from roundsman.alerts.answers import AnswerDesk

log = logging.getLogger(__name__)


class Listener(Protocol):
    """Hears of the presses of one service. That the service is away is no illness."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> str:
        """Digest of its settings, without a secret in it."""
        ...

    def start(self, desk: AnswerDesk) -> None: ...

    def stop(self) -> None:
        """Safe to call twice. A press that is being seen to is seen to; the next one is left to the next start."""
        ...

    def ill(self) -> str | None:
        """Why it makes no progress; None when it does."""
        ...


class Listening:
    """Service: the listeners that are configured, which may be none. It has no thread of its own."""

    name = "answers"

    def __init__(self, desk: AnswerDesk, listeners: Sequence[Listener]) -> None:
        self._desk = desk
        self._listeners = tuple(listeners)
        self._started = False

    def start(self) -> None:
        self._started = True
        for listener in self._listeners:
            listener.start(self._desk)
            log.info("Answers are listened to on %s", listener.name)

    def stop(self) -> None:
        self._started = False
        for listener in self._listeners:
            listener.stop()

    def ill(self) -> str | None:
        return next((ill for listener in self._listeners if (ill := listener.ill()) is not None), None)

    def replace(self, listeners: Sequence[Listener]) -> None:
        """Go on with these (settings were reloaded); those whose settings are as before are kept as they are."""
        before = {listener.identity: listener for listener in self._listeners}
        wanted = {listener.identity: before.get(listener.identity, listener) for listener in listeners}
        for identity in before.keys() - wanted.keys():
            before[identity].stop()
        self._listeners = tuple(wanted.values())
        for identity in wanted.keys() - before.keys() if self._started else ():
            wanted[identity].start(self._desk)
