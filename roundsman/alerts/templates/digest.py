"""One message about many alerts of a kind, and what has become of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from roundsman.alerts.message import Item, Message, one_line, web_link
from roundsman.alerts.templates.contacts import shown
from roundsman.alerts.templates.facts import Scene, UnrepliedFacts, text_of
from roundsman.repositories.alerts import Severity
from roundsman.repositories.notifications import NotificationEvent

MOST_PAGES = 8
"""Pages whose counts are shown; the others are counted together."""


@dataclass(frozen=True)
class DigestFacts:
    """Many alerts of one kind, told to one team at one level."""

    kind: str
    is_about_customers: bool
    is_warning: bool
    team: str | None
    level: int
    total: int
    left: int
    """Still open."""
    answered: int
    longest: timedelta
    """What the oldest of the open ones has lasted."""
    by_page: tuple[tuple[str, int], ...]
    """The open ones, most first, as far as pages are known."""
    elsewhere: int
    """Open ones on pages that are not among those."""

    @classmethod
    def of(cls, scenes: Sequence[Scene], *, is_warning: bool) -> "DigestFacts":
        first = scenes[0]
        still = [scene for scene in scenes if scene.alert.resolved_at is None]
        pages = Counter(page for scene in still if (page := text_of(scene.alert.annotations, "page_name")))
        customers = first.alert.kind == "conversation_unreplied"
        waits = (UnrepliedFacts.of(scene).waited if customers else scene.lasted for scene in still)
        return cls(
            kind=first.alert.kind,
            is_about_customers=customers,
            is_warning=is_warning,
            team=one_line(first.team, 100) if first.team else None,
            level=first.level,
            total=len(scenes),
            left=len(still),
            answered=sum(text_of(scene.alert.annotations, "answered_at") is not None for scene in scenes),
            longest=max(waits, default=timedelta(0)),
            by_page=tuple(pages.most_common(MOST_PAGES)),
            elsewhere=sum(count for _, count in pages.most_common()[MOST_PAGES:]),
        )


@dataclass(frozen=True)
class DigestScene:
    """One digest as it is told now."""

    facts: DigestFacts
    event: NotificationEvent
    """CHANGED: some of it is over by now; RESOLVED: all of it."""
    template: str | None = None
    """The folder of one's own texts that its route asks for."""


def digest_message(
    scenes: Sequence[Scene],
    text: tuple[str, ...],
    item: Callable[[Scene], str],
    *,
    event: NotificationEvent,
    more: str,
) -> Message:
    """`scenes`: the oldest first. Those that are over come last, each with what became of it."""
    title, *lines = text
    ordered = sorted(scenes, key=lambda scene: scene.alert.resolved_at is not None)
    severities = [scene.alert.severity for scene in scenes]
    return Message(
        title=shown(title),
        lines=tuple(map(shown, lines)),
        severity=min(severities, key=list(Severity).index),
        event=event,
        items=tuple(Item(shown(item(scene)), web_link(scene.alert.annotations.get("link"))) for scene in ordered),
        more=more,
    )
