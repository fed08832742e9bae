"""From an alert's row to a message in one language: plain functions, one module a language.

These are code and no templates: half of each text is a choice, by what is known, how many there are and which case a
language wants, and that is easier to read and to check as code. Who wants other words writes templates (`own`).

A text is made when it is sent, not when the alert is opened, so that a message that had to wait tells the wait of
now and a change of the language reaches what is still unsent. Names in texts are those of people and pages; ids,
telephone numbers and what a customer wrote stay out, as messages go to group chats.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from roundsman.alerts.message import Message, message_id, one_line, web_link
from roundsman.alerts.templates import en, vi
from roundsman.alerts.templates.contacts import shown
from roundsman.alerts.templates.digest import DigestFacts, DigestScene, digest_message
from roundsman.alerts.templates.facts import PageFacts, Scene, UnrepliedFacts
from roundsman.alerts.templates.jobs import JOB_KINDS
from roundsman.logs import fields
from roundsman.repositories.alerts import Alert, Severity
from roundsman.repositories.audience import EVERYBODY, Audience, Mention, Wording
from roundsman.repositories.notifications import NotificationEvent

MOST_FACTS = 8
"""Annotations that the text of an unknown kind shows."""


Language = Wording
"""Languages in which alerts can be told."""


class Texts(Protocol):
    """What a language's module offers. Each function returns the title, then further lines."""

    OPEN_CONVERSATION: str
    OPEN_LINK: str
    MORE: str

    def unreplied_warning(self, facts: UnrepliedFacts) -> tuple[str, ...]: ...
    def unreplied_firing(self, facts: UnrepliedFacts) -> tuple[str, ...]: ...
    def unreplied_resolved(self, facts: UnrepliedFacts) -> tuple[str, ...]: ...
    def unreplied_item(self, facts: UnrepliedFacts) -> str: ...
    def page_stale(self, facts: PageFacts) -> tuple[str, ...]: ...
    def page_recovered(self, facts: PageFacts) -> tuple[str, ...]: ...
    def sync_failed(self, facts: PageFacts) -> tuple[str, ...]: ...
    def sync_works(self, facts: PageFacts) -> tuple[str, ...]: ...
    def token_expiring(self, facts: PageFacts) -> tuple[str, ...]: ...
    def token_renewed(self, facts: PageFacts) -> tuple[str, ...]: ...
    def digest_firing(self, facts: DigestFacts) -> tuple[str, ...]: ...
    def digest_ended(self, facts: DigestFacts) -> tuple[str, ...]: ...
    def generic_firing(self, what: str, subject: str, severity: str, since: datetime) -> tuple[str, ...]: ...
    def generic_resolved(self, what: str, subject: str, lasted: timedelta, resolution: str) -> tuple[str, ...]: ...
    def set_aside(self, name: str, lasted: timedelta, resolution: str) -> tuple[str, ...]: ...
    def test(self, at: datetime) -> tuple[str, ...]: ...
    def moment(self, at: datetime) -> str: ...
    def duration(self, span: timedelta) -> str: ...


class OwnTexts(Protocol):
    """Texts of the people's own, in place of the built-in ones."""

    @property
    def version(self) -> str:
        """Differs when a text does."""
        ...

    def told(self, scene: Scene, language: Language, built_in: tuple[str, ...]) -> tuple[str, ...]: ...
    def item(self, scene: Scene, language: Language, built_in: str) -> str: ...
    def digest(self, digest: DigestScene, language: Language, built_in: tuple[str, ...]) -> tuple[str, ...]: ...


TEXTS: Mapping[Language, Texts] = {Language.ENGLISH: en, Language.VIETNAMESE: vi}


def render(
    alert: Alert,
    event: NotificationEvent,
    language: Language,
    now: datetime,
    zone: ZoneInfo,
    *,
    level: int = 1,
    audience: Audience = EVERYBODY,
    own: OwnTexts | None = None,
) -> Message:
    """What to say about this event of this alert, to that audience, at that level. `zone` is the reader's."""
    texts = TEXTS[language]
    scene = Scene(alert, event, now, zone, level, audience.team, audience.template)
    title, *lines = _said(scene, language, own)
    link = web_link(alert.annotations.get("link"))
    incident = _incident("alert", alert)
    label = texts.OPEN_CONVERSATION if alert.kind == "conversation_unreplied" else texts.OPEN_LINK
    return Message(
        title=shown(title),
        lines=tuple(map(shown, lines)),
        severity=alert.severity,
        event=event,
        link=link,
        link_label=label if link else "",
        fields=_journal_fields(alert, event),
        # An end is good news: nobody is called away from something else for it
        mentions=() if event is NotificationEvent.RESOLVED else _named(audience),
        incident=incident,
        id=message_id(incident, event, level),
    )


def render_digest(
    alerts: Sequence[Alert],
    event: NotificationEvent,
    language: Language,
    now: datetime,
    zone: ZoneInfo,
    *,
    level: int = 1,
    audience: Audience = EVERYBODY,
    own: OwnTexts | None = None,
) -> Message:
    """What to say about many alerts, the oldest first: as news, or as what has become of the news by now."""
    texts = TEXTS[language]
    told_as = NotificationEvent.WARNING if level <= 0 else NotificationEvent.FIRING
    scenes = [
        Scene(
            each,
            told_as if each.resolved_at is None else NotificationEvent.RESOLVED,
            now,
            zone,
            level,
            audience.team,
            audience.template,
        )
        for each in alerts
    ]
    facts = DigestFacts.of(scenes, is_warning=level <= 0)
    is_over = facts.left == 0

    def item(scene: Scene) -> str:
        if scene.event is NotificationEvent.RESOLVED:
            return _said(scene, language, own)[0]
        customer = UnrepliedFacts.of(scene) if facts.is_about_customers else None
        built_in = texts.unreplied_item(customer) if customer else told_built_in(scene, language)[0]
        return own.item(scene, language, built_in) if own is not None else built_in

    changed = event.is_change
    incident = _incident("digest", alerts[0])
    text = digest_built_in(facts, language, is_change=changed)
    if own is not None:
        shown_as = NotificationEvent.RESOLVED if is_over else NotificationEvent.CHANGED if changed else told_as
        text = own.digest(DigestScene(facts, shown_as, audience.template), language, text)
    message = digest_message(
        scenes, text, item, event=NotificationEvent.RESOLVED if is_over else told_as, more=texts.MORE
    )
    return replace(
        message,
        mentions=() if changed else _named(audience),
        incident=incident,
        id=message_id(incident, event, level),
        fields=fields(
            JOB=alerts[0].job,
            ALERT_KIND=facts.kind,
            ALERT_EVENT=message.event.value,
            ALERT_SEVERITY=message.severity.value,
            ALERT_COUNT=str(facts.total),
        ),
    )


def render_test(language: Language, now: datetime, zone: ZoneInfo) -> Message:
    """The message of `alerts test`."""
    title, *lines = TEXTS[language].test(now.astimezone(zone))
    return Message(title, tuple(lines), Severity.INFO, NotificationEvent.FIRING, fields={"ALERT": "test"})


def told_built_in(scene: Scene, language: Language) -> tuple[str, ...]:
    """The title and the lines, by the alert's kind."""
    if scene.is_set_aside and scene.alert.kind in KINDS and scene.alert.kind != "conversation_unreplied":
        return TEXTS[language].set_aside(scene.name, scene.lasted, scene.alert.resolution or "")
    return KINDS.get(scene.alert.kind, _generic)(TEXTS[language], scene)


def digest_built_in(facts: DigestFacts, language: Language, *, is_change: bool) -> tuple[str, ...]:
    """The title and the lines above what a digest tells of."""
    return (TEXTS[language].digest_ended if is_change else TEXTS[language].digest_firing)(facts)


def _said(scene: Scene, language: Language, own: OwnTexts | None) -> tuple[str, ...]:
    built_in = told_built_in(scene, language)
    return own.told(scene, language, built_in) if own is not None else built_in


def _unreplied(texts: Texts, scene: Scene) -> tuple[str, ...]:
    facts = UnrepliedFacts.of(scene)
    if scene.event is NotificationEvent.RESOLVED:
        return texts.unreplied_resolved(facts)
    return texts.unreplied_warning(facts) if scene.event is NotificationEvent.WARNING else texts.unreplied_firing(facts)


def _page_stale(texts: Texts, scene: Scene) -> tuple[str, ...]:
    is_over = scene.event is NotificationEvent.RESOLVED
    return (texts.page_recovered if is_over else texts.page_stale)(PageFacts.of(scene))


def _sync_failed(texts: Texts, scene: Scene) -> tuple[str, ...]:
    is_over = scene.event is NotificationEvent.RESOLVED
    return (texts.sync_works if is_over else texts.sync_failed)(PageFacts.of(scene))


def _token_expiring(texts: Texts, scene: Scene) -> tuple[str, ...]:
    is_over = scene.event is NotificationEvent.RESOLVED
    return (texts.token_renewed if is_over else texts.token_expiring)(PageFacts.of(scene))


def _generic(texts: Texts, scene: Scene) -> tuple[str, ...]:
    alert = scene.alert
    what = alert.kind.replace("_", " ")
    what = what[:1].upper() + what[1:]
    if scene.event is NotificationEvent.RESOLVED:
        return texts.generic_resolved(what, alert.subject, scene.lasted, alert.resolution or "")
    shown = [name for name in alert.annotations if name != "link" and alert.annotations[name] is not None]
    lines = texts.generic_firing(what, alert.subject, alert.severity.value, alert.since_at.astimezone(scene.zone))
    facts = (f"{name.replace('_', ' ')}: {alert.annotations[name]}" for name in shown[:MOST_FACTS])
    return (*lines, *facts)


KINDS: Mapping[str, Callable[[Texts, Scene], tuple[str, ...]]] = {
    "conversation_unreplied": _unreplied,
    "page_stale": _page_stale,
    "sync_failed": _sync_failed,
    "token_expiring": _token_expiring,
    **JOB_KINDS,
}
"""Kinds with texts of their own; every other one is told in plain words by its name."""


def _named(audience: Audience) -> tuple[Mention, ...]:
    """Names that are fit to be shown."""
    return tuple(replace(each, name=one_line(each.name, 100)) for each in audience.mentions)


def _incident(prefix: str, alert: Alert) -> str:
    """With its time, as a store that is made anew begins to count at 1 again."""
    return f"{prefix}-{alert.id}-{int(alert.opened_at.timestamp())}"


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
