"""Answers in a language: what buttons say, how a message shows who sees to it, and what whoever answered is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from roundsman.alerts.action import Action
from roundsman.alerts.message import Answer, Item, Message, one_line
from roundsman.alerts.reply import Refused, Reply
from roundsman.alerts.templates import Language, answers_en, answers_vi
from roundsman.repositories.alert_answers import Answered
from roundsman.repositories.alerts import Alert, AlertStatus

_LONGEST_NAME = 60
DEALT_WITH_BY_HAND = ("conversation_unreplied",)
"""Kinds that stay over when somebody says so. Others would be opened anew at once, while their condition goes on."""


class AnswerTexts(Protocol):
    """What a language's module offers."""

    LABELS: Mapping[Action, str]

    def acknowledged(self, by: str, at: str) -> str: ...
    def snoozed(self, by: str, until: str) -> str: ...
    def taken_of(self, taken: int, total: int, names: Sequence[str]) -> str: ...
    def moment(self, at: datetime, now: datetime) -> str: ...
    def done(self, reply: Reply, until: str) -> str: ...
    def somebody_has_it(self, holder: str) -> str: ...
    def so_already(self, action: Action) -> str: ...
    def stranger(self, place: str) -> str: ...

    OVER: str
    UNKNOWN: str
    NOT_OURS: str
    NO_SHIFT: str


TEXTS: Mapping[Language, AnswerTexts] = {Language.ENGLISH: answers_en, Language.VIETNAMESE: answers_vi}


def with_answers(
    message: Message, alerts: Sequence[Alert], notification: int, language: Language, now: datetime, zone: ZoneInfo
) -> Message:
    """The message about these alerts, the oldest first, with who sees to them and what can still be done."""
    texts = TEXTS[language]
    left = [alert for alert in alerts if alert.resolved_at is None]
    if not left:
        return message
    taken = [alert for alert in left if alert.is_taken(now)]
    if len(alerts) == 1:
        state = [_state(texts, alert, now, zone) for alert in taken]
    else:
        names = tuple(dict.fromkeys(_name(alert.taken_by) for alert in taken))
        state = [texts.taken_of(len(taken), len(left), names)] if taken else []
    return replace(
        message,
        lines=(*message.lines, *state),
        items=_items(message.items, alerts, now),
        answers=tuple(Answer(each, texts.LABELS[each], notification) for each in _offered(alerts, left, taken)),
    )


def sentence(reply: Reply, language: Language, now: datetime, zone: ZoneInfo) -> str:
    """What whoever answered is told: one sentence, plain text."""
    texts = TEXTS[language]
    until = texts.moment(reply.until.astimezone(zone), now.astimezone(zone)) if reply.until is not None else ""
    said: Mapping[Answered | Refused, Callable[[], str]] = {
        Answered.TAKEN: lambda: texts.done(reply, until),
        Answered.OVER: lambda: texts.OVER,
        Answered.UNKNOWN: lambda: texts.UNKNOWN,
        Answered.SO_ALREADY: lambda: texts.so_already(reply.action),
        Answered.SOMEBODY_HAS_IT: lambda: texts.somebody_has_it(_name(reply.holder)),
        Refused.STRANGER: lambda: texts.stranger(reply.place),
        Refused.NOT_OURS: lambda: texts.NOT_OURS,
        Refused.NO_SHIFT: lambda: texts.NO_SHIFT,
    }
    return one_line(said[reply.outcome]())


def _offered(alerts: Sequence[Alert], left: Sequence[Alert], taken: Sequence[Alert]) -> list[Action]:
    """What makes sense as things are. Of many at once none is dealt with by one press."""
    is_free = len(taken) < len(left)
    is_asleep = not is_free and all(alert.status is AlertStatus.SNOOZED for alert in taken)
    offered = [Action.ACKNOWLEDGE] if is_free else []
    offered.append(Action.CLAIM)
    if not is_asleep:
        offered += [Action.SNOOZE_SHORT, Action.SNOOZE_LONG, Action.SNOOZE_SHIFT]
    if len(alerts) == 1 and alerts[0].kind in DEALT_WITH_BY_HAND:
        offered.append(Action.RESOLVE)
    return offered


def _state(texts: AnswerTexts, alert: Alert, now: datetime, zone: ZoneInfo) -> str:
    by, here = _name(alert.taken_by), now.astimezone(zone)
    if alert.status is AlertStatus.SNOOZED and alert.taken_until is not None:
        return texts.snoozed(by, texts.moment(alert.taken_until.astimezone(zone), here))
    at = texts.moment(alert.taken_at.astimezone(zone), here) if alert.taken_at is not None else ""
    return texts.acknowledged(by, at)


def _items(items: Sequence[Item], alerts: Sequence[Alert], now: datetime) -> tuple[Item, ...]:
    """The lines of a digest, whose open alerts come first, with the names of those who have one."""
    ordered = sorted(alerts, key=lambda alert: alert.resolved_at is not None)
    names = [_name(alert.taken_by) if alert.is_taken(now) else None for alert in ordered]
    if len(names) != len(items):
        return tuple(items)
    return tuple(
        replace(item, text=f"{item.text} ({name})") if name else item for item, name in zip(items, names, strict=True)
    )


def _name(name: str | None) -> str:
    return one_line(name or "?", _LONGEST_NAME)
