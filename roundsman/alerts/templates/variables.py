"""What a template of one's own can name: the facts of its kind, and those that every alert has.

All texts among them are short single lines without contacts, as customers and other programs wrote them.
"""

from collections.abc import Mapping
from dataclasses import fields
from itertools import islice
from typing import Any

from roundsman.alerts.message import web_link
from roundsman.alerts.templates.contacts import shown
from roundsman.alerts.templates.digest import DigestScene
from roundsman.alerts.templates.facts import PageFacts, Scene, UnrepliedFacts
from roundsman.alerts.templates.jobs import JOB_KINDS, JobsFacts

LONGEST_FACT = 200
_MOST_NOTES = 100
"""Labels, and notes: an alert of a job of one's own may carry any number."""

FACTS: Mapping[str, type[Any]] = {
    "conversation_unreplied": UnrepliedFacts,
    "page_stale": PageFacts,
    "sync_failed": PageFacts,
    "token_expiring": PageFacts,
    **dict.fromkeys(JOB_KINDS, JobsFacts),
}
"""By kind; every other kind has the common ones alone."""


def variables_of(scene: Scene, built_in: tuple[str, ...]) -> dict[str, Any]:
    """The variables for one piece of news. `built_in` is what would be said without a template."""
    alert = scene.alert
    common = {
        "kind": alert.kind,
        "subject": shown(alert.subject, LONGEST_FACT),
        "severity": alert.severity.value,
        "event": scene.event.value,
        "level": scene.level,
        "team": shown(scene.team, LONGEST_FACT) if scene.team else None,
        "since": alert.since_at.astimezone(scene.zone),
        "lasted": scene.lasted,
        "resolution": shown(alert.resolution or "", LONGEST_FACT),
        "link": web_link(alert.annotations.get("link")),
        "labels": _named(alert.labels),
        "notes": _named(alert.annotations),
        "title": shown(built_in[0]),
        "lines": tuple(map(shown, built_in[1:])),
    }
    kind = FACTS.get(alert.kind)
    if kind is None:
        return common
    facts = kind.of(scene)
    return common | {each.name: getattr(facts, each.name) for each in fields(facts)}


def variables_of_digest(digest: DigestScene, built_in: tuple[str, ...]) -> dict[str, Any]:
    """The variables for the title and the lines of a digest."""
    facts = digest.facts
    return {
        "kind": facts.kind,
        "event": digest.event.value,
        "team": shown(facts.team, LONGEST_FACT) if facts.team else None,
        "level": facts.level,
        "total": facts.total,
        "left": facts.left,
        "answered": facts.answered,
        "longest": facts.longest,
        "by_page": facts.by_page,
        "elsewhere": facts.elsewhere,
        "title": shown(built_in[0]),
        "lines": tuple(map(shown, built_in[1:])),
    }


def _named(values: Mapping[str, Any]) -> dict[str, object]:
    plain = (name for name, value in values.items() if not isinstance(value, dict | list) and len(name) <= LONGEST_FACT)
    return {name: _plain(values[name]) for name in islice(plain, _MOST_NOTES)}


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float) else shown(value, LONGEST_FACT)
