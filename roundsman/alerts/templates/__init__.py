"""From an alert's row to a message in one language: plain functions, one module a language.

A text is made when it is sent, not when the alert is opened, so that a message that had to wait tells the wait of
now and a change of the language reaches what is still unsent. Names in texts are those of people and pages; ids,
telephone numbers and what a customer wrote stay out, as messages go to group chats.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo

from roundsman.alerts.message import Message, one_line, web_link
from roundsman.alerts.templates import en, vi
from roundsman.alerts.templates.facts import UnrepliedFacts
from roundsman.logs import fields
from roundsman.repositories.alerts import Alert, Severity
from roundsman.repositories.notifications import NotificationEvent

MOST_FACTS = 8
"""Annotations that the text of an unknown kind shows."""


class Language(StrEnum):
    """Languages in which alerts can be told."""

    ENGLISH = "en"
    VIETNAMESE = "vi"


class Texts(Protocol):
    """What a language's module offers. Each function returns the title, then further lines."""

    OPEN_LINK: str

    def unreplied_firing(self, facts: UnrepliedFacts) -> tuple[str, ...]: ...
    def unreplied_resolved(self, facts: UnrepliedFacts) -> tuple[str, ...]: ...
    def generic_firing(self, what: str, subject: str, severity: str, since: datetime) -> tuple[str, ...]: ...
    def generic_resolved(self, what: str, subject: str, lasted: timedelta, resolution: str) -> tuple[str, ...]: ...
    def test(self, at: datetime) -> tuple[str, ...]: ...


TEXTS: Mapping[Language, Texts] = {Language.ENGLISH: en, Language.VIETNAMESE: vi}


def render(alert: Alert, event: NotificationEvent, language: Language, now: datetime, zone: ZoneInfo) -> Message:
    """What to say about this event of this alert. `zone` is the reader's."""
    texts = TEXTS[language]
    if alert.kind == "conversation_unreplied":
        facts = UnrepliedFacts.of(alert, event, now, zone)
        write = texts.unreplied_resolved if event is NotificationEvent.RESOLVED else texts.unreplied_firing
        title, *lines = write(facts)
    else:
        title, *lines = _generic(texts, alert, event, now, zone)
    link = web_link(alert.annotations.get("link"))
    return Message(
        title=one_line(title),
        lines=tuple(one_line(line) for line in lines),
        severity=alert.severity,
        event=event,
        link=link,
        link_label=texts.OPEN_LINK if link else "",
        fields=_journal_fields(alert, event),
    )


def render_test(language: Language, now: datetime, zone: ZoneInfo) -> Message:
    """The message of `alerts test`."""
    title, *lines = TEXTS[language].test(now.astimezone(zone))
    return Message(title, tuple(lines), Severity.INFO, NotificationEvent.FIRING, fields={"ALERT": "test"})


def _generic(texts: Texts, alert: Alert, event: NotificationEvent, now: datetime, zone: ZoneInfo) -> tuple[str, ...]:
    what = alert.kind.replace("_", " ")
    what = what[:1].upper() + what[1:]
    if event is NotificationEvent.RESOLVED:
        lasted = max((alert.resolved_at or now) - alert.since_at, timedelta(0))
        return texts.generic_resolved(what, alert.subject, lasted, alert.resolution or "")
    shown = [name for name in alert.annotations if name != "link" and alert.annotations[name] is not None]
    lines = texts.generic_firing(what, alert.subject, alert.severity.value, alert.since_at.astimezone(zone))
    return (*lines, *(f"{name.replace('_', ' ')}: {alert.annotations[name]}" for name in shown[:MOST_FACTS]))


def _journal_fields(alert: Alert, event: NotificationEvent) -> dict[str, str]:
    found: dict[str, str] = {}
    for label, value in alert.labels.items():
        name = re.sub(r"[^A-Z0-9]+", "_", label.upper()).strip("_")
        with suppress(ValueError):  # a label that journald, or our own log, has no place for
            found |= fields(**{name: str(value)})
    return found | fields(
        JOB=alert.job,
        ALERT=alert.fingerprint,
        ALERT_KIND=alert.kind,
        ALERT_EVENT=event.value,
        ALERT_SEVERITY=alert.severity.value,
    )
