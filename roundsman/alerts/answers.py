"""The desk at which people answer alerts: the one way for buttons of every service and for commands.

An answer is one transaction: what it changes, the log with its author, the messages that are to show it, and of a
button that this very press was seen to. So a press that a service tells of twice changes nothing twice, and the same is
said of it.

What comes from a service is not trusted: who presses is known by the id that the service vouches for, and what a button
carries is sealed.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from roundsman.alerts.action import Action
from roundsman.alerts.answerers import Answerer, Answerers
from roundsman.alerts.channels.seal import Seal
from roundsman.alerts.message import one_line
from roundsman.alerts.refusals import Refusals
from roundsman.alerts.reply import Refused, Reply
from roundsman.alerts.templates import Language
from roundsman.alerts.templates.answers import sentence
from roundsman.clock import Clock
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.shifts.calendar import ShiftCalendar
from roundsman.logs import fields
from roundsman.repositories.alert_answers import AlertAnswers, Answered, Author
from roundsman.repositories.alerts import Alert, AlertRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.notifications import NotificationRepository
from roundsman.repositories.presses import PressRepository

_LONGEST_NAME = 60
_TELLING = (Answered.SOMEBODY_HAS_IT, Answered.SO_ALREADY, Refused.NO_SHIFT, Answered.OVER, Answered.UNKNOWN)
"""Of many alerts of which none was changed, the reason that is told: the first of these."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Press:
    """A button was pressed, as the service tells it."""

    service: str
    """`telegram` or `slack`."""
    id: str
    """What tells it from every other press."""
    user_id: str
    user_name: str
    """As people call themselves: for the log alone."""
    data: str
    """What the button carried, or whatever was sent in its place."""


@dataclass(frozen=True)
class Texts:
    """How people are spoken to."""

    language: Language
    zone: ZoneInfo


class Closing(Protocol):
    """What else it means that somebody has dealt with an alert of a kind. `lock` comes before the alert is locked."""

    def lock(self, connection: Connection, subject: str) -> None: ...
    def close(self, connection: Connection, subject: str, by: str, now: datetime) -> None: ...


class AnswerDesk:
    """Takes answers. May be used from any thread; raises StoreError, and then nothing has changed."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        wake: Callable[[], None],
        *,
        answerers: Callable[[], Answerers],
        policies: Callable[[], PolicyBook],
        texts: Callable[[], Texts],
        closings: Mapping[str, Closing],
    ) -> None:
        """`wake`: there may be messages to be sent. `closings`, by kind of alert."""
        self._store = store
        self._clock = clock
        self._wake = wake
        self._answerers = answerers
        self._policies = policies
        self._texts = texts
        self._closings = closings
        self._answers = AlertAnswers()
        self._alerts = AlertRepository()
        self._notifications = NotificationRepository()
        self._presses = PressRepository()
        self._refusals = Refusals(clock)

    def press(self, press: Press, seal: Seal) -> str:
        """See to a button. Returns the sentence for whoever pressed it."""
        now, texts = self._clock.now(), self._texts()
        answerer = self._answerers().find(press.service, press.user_id)
        asked = seal.read(press.data)
        if answerer is None or asked is None:
            refused = Refused.STRANGER if answerer is None else Refused.NOT_OURS
            self._note_refusal(press, refused)
            place = f"{press.service}:{one_line(press.user_id, _LONGEST_NAME)}"
            return sentence(Reply(refused, place=place), texts.language, now, texts.zone)
        with self._store.write() as connection:
            if not self._presses.take(connection, press.service, press.id, now):
                return self._presses.said(connection, press.service, press.id)
            shown = self._notifications.shown_by(connection, asked.notification)
            author = Author(answerer.name, press.service)
            reply = self._answer(connection, shown, asked.action, answerer, author, now, None)
            said = sentence(reply, texts.language, now, texts.zone)
            self._presses.say(connection, press.service, press.id, said)
        self._after(reply, shown, press.service)
        return said

    def answer(
        self,
        alert_id: int,
        action: Action,
        answerer: Answerer,
        *,
        until: datetime | None = None,
        note: str | None = None,
    ) -> Reply:
        """Answer one alert, for a command. `until` of a SNOOZE."""
        with self._store.write() as connection:
            author = Author(answerer.name, note=note)
            reply = self._answer(connection, [alert_id], action, answerer, author, self._clock.now(), until)
        self._after(reply, [alert_id], None)
        return reply

    def _answer(
        self,
        connection: Connection,
        alert_ids: Sequence[int],
        action: Action,
        answerer: Answerer,
        author: Author,
        now: datetime,
        until: datetime | None,
    ) -> Reply:
        replies = [
            self._answer_one(connection, alert_id, action, answerer, author, now, until)
            for alert_id in sorted(alert_ids)  # one order for all: no deadlock
        ]
        taken = [reply for reply in replies if reply.has_changed_something]
        if taken:
            return replace(taken[0], count=len(taken))
        unknown = Reply(Refused.NOT_OURS, action, author.name)
        return min(replies, key=lambda reply: _TELLING.index(reply.outcome), default=unknown)

    def _answer_one(
        self,
        connection: Connection,
        alert_id: int,
        action: Action,
        answerer: Answerer,
        author: Author,
        now: datetime,
        until: datetime | None,
    ) -> Reply:
        alert = self._alerts.find(connection, alert_id)
        if alert is None:
            return Reply(Answered.UNKNOWN, action, author.name)
        if action is Action.RESOLVE:
            return Reply(self._resolve(connection, alert, author, now), action, author.name)
        if action.is_snooze:
            until = until or self._until(action, answerer, alert, now)
            if until is None:
                return Reply(Refused.NO_SHIFT, action, author.name)
            outcome = self._answers.snooze(connection, alert_id, author, now, until=until)
        elif action is Action.CLAIM:
            outcome = self._answers.claim(connection, alert_id, author, now)
        else:
            outcome = self._answers.acknowledge(connection, alert_id, author, now)
        holder = alert.taken_by if outcome is Answered.SOMEBODY_HAS_IT else None
        return Reply(outcome, action, author.name, until, holder)

    def _resolve(self, connection: Connection, alert: Alert, author: Author, now: datetime) -> Answered:
        closing = self._closings.get(alert.kind)
        if closing is not None:
            closing.lock(connection, alert.subject)
        answered = self._answers.resolve(connection, alert.id, author, now)
        if closing is not None and answered is Answered.TAKEN:
            closing.close(connection, alert.subject, author.name, now)
        return answered

    def _until(self, action: Action, answerer: Answerer, alert: Alert, now: datetime) -> datetime | None:
        if action.lasts is not None:
            return now + action.lasts
        calendar = answerer.calendar or self._calendar(alert)
        return None if calendar is None else calendar.next_shift(now)

    def _calendar(self, alert: Alert) -> ShiftCalendar | None:
        """That of the policy by which it was raised."""
        name = alert.annotations.get("policy")
        return next((policy.calendar for policy in self._policies().all_policies if policy.name == name), None)

    def _after(self, reply: Reply, alert_ids: Sequence[int], service: str | None) -> None:
        if not reply.has_changed_something:
            return
        self._wake()
        log.info(
            "%s has answered %s (%s, %s)",
            reply.by, f"alert {alert_ids[0]}" if len(alert_ids) == 1 else f"{reply.count} alerts", reply.action,
            service or "by a command", extra=fields(ANSWER=reply.action.value),
        )  # fmt: skip

    def _note_refusal(self, press: Press, refused: Refused) -> None:
        user = f"{press.service}:{one_line(press.user_id, _LONGEST_NAME)}"
        self._refusals.note(user, f"{one_line(press.user_name, _LONGEST_NAME)} ({user})", refused)
