"""Routes: where alerts of some kind go, when, and who is called next if nobody answers. Plain values."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

from roundsman.alerts.rules.matcher import Matcher, cover
from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import Mention
from roundsman.repositories.audience import Wording as Wording

_DIGITS_OF_VERSION = 12


class Hours(Protocol):
    """When somebody may be disturbed; a shift calendar is one."""

    @property
    def name(self) -> str: ...

    def is_open(self, at: datetime) -> bool: ...

    def opens_at(self, at: datetime) -> datetime | None:
        """The moment itself if it is open, else when it opens next; None if that never comes."""


@dataclass(frozen=True)
class RouteLevel:
    """A step of escalation, for alerts that nobody acknowledges. The alert's opening is level 1."""

    number: int
    """From 2 on."""
    after: timedelta
    """Since the alert was opened."""
    mentions: tuple[Mention, ...] = ()
    channels: tuple[str, ...] = ()
    """None named: those of the route."""


@dataclass(frozen=True)
class Route:
    """What becomes of the alerts that its matchers mean; the first one that means an alert is in force for it."""

    name: str
    matchers: tuple[Matcher, ...] = ()
    channels: tuple[str, ...] = ()
    """None named: those that the alert's audience names, or all. An alert that names its own goes to those of them
    that are named here as well, or to these if there are none."""
    fallback: tuple[str, ...] = ()
    """Channels that take over, one after another, when one gives a message up for good."""
    mentions: tuple[Mention, ...] = ()
    """Called beside those whom the alert calls."""
    hours: Hours | None = None
    """Outside of them messages are held back; None: day and night."""
    passes_from: Severity = Severity.CRITICAL
    """As bad as this, or worse, is told at once at any hour."""
    group_by: tuple[str, ...] = ()
    """Labels; only alerts that have the same values of them become one digest."""
    digest_from: int | None = None
    """So many at once become a digest; None: as the alert's audience says."""
    repeat: timedelta | None = None
    """While it goes on and nobody has taken it, it is told again after this; None: never."""
    levels: tuple[RouteLevel, ...] = ()
    """For alerts that no job raises itself; conversations have the levels of their policy."""
    gives_up_after: timedelta | None = None
    """From the last level to the moment when the journal says that nobody answers; None: as long as between the last
    two levels."""
    template: str | None = None
    """The folder among the texts of one's own that says it; None: the texts for all."""
    language: Wording | None = None
    """None: ALERT_LANGUAGE."""

    def covers(self, facts: Mapping[str, str]) -> bool:
        return cover(self.matchers, facts)

    @property
    def unanswered_after(self) -> timedelta | None:
        """How long after its last level the journal says that nobody answers; None: it has no levels."""
        if not self.levels:
            return None
        ends = [timedelta(0), *(level.after for level in self.levels)]
        return self.gives_up_after or ends[-1] - ends[-2]


DEFAULT_ROUTE = Route("default")
"""For what no route means: told at once, where the alert itself says."""


@dataclass(frozen=True)
class Inhibition:
    """While an alert that `source` means is open, those that `target` means are not told, if `equal` are the same."""

    name: str
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()
    """Labels that both must have with the same value."""

    def may_come_from(self, kind: str) -> bool:
        """Whether an alert of this kind can be a source, as far as the kind alone says."""
        return all(matcher.covers({"kind": kind}) for matcher in self.source if matcher.name == "kind")

    def mutes(self, source: Mapping[str, str], target: Mapping[str, str]) -> bool:
        """Whether the first alert mutes the second one.

        Not when each could mute the other, or an alert itself: then nobody would be told of either.
        """
        if cover(self.source, target) and cover(self.target, source):
            return False
        same = all(name in source and source.get(name) == target.get(name) for name in self.equal)
        return same and cover(self.source, source) and cover(self.target, target)


def _built_in(name: str, source: str, target: str, *equal: str) -> Inhibition:
    return Inhibition(name, (Matcher.parse(source),), (Matcher.parse(target),), equal)


BUILT_IN = (
    _built_in("a page without data", "kind=~page_stale|sync_failed", "kind=conversation_unreplied", "page_id"),
    _built_in("a page whose sync has stopped", "kind=sync_failed", "kind=page_stale", "page_id"),
)
"""Inhibitions that are always there: nobody can say who waits on a page without data."""


@dataclass(frozen=True)
class Rules:
    """All of them that are in force."""

    routes: tuple[Route, ...] = ()
    inhibitions: tuple[Inhibition, ...] = BUILT_IN
    hours_of: Mapping[str, Hours] = field(default_factory=lambda: MappingProxyType({}))
    """The own hours of people, by the key of their mention."""

    def route_for(self, facts: Mapping[str, str]) -> Route:
        """The route that is in force for an alert."""
        return next((route for route in self.routes if route.covers(facts)), DEFAULT_ROUTE)

    @cached_property
    def version(self) -> str:
        """Equal for equal meaning, however it was written down."""
        text = repr((self.routes, self.inhibitions, sorted(self.hours_of.items())))
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS_OF_VERSION]
