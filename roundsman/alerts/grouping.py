"""What is told to whom, and what is told together: from alerts that opened or rose to messages. Pure.

One rule makes a storm impossible. Of a team's news on one channel, up to `digest_from` - 1 in a transaction are told
one by one; from then on each level is one digest. So a transaction costs a channel, for each team, at most as many
messages as there are levels, or `digest_from` - 1 if that is more. Kinds are never mixed: a digest of customers is
read by other eyes than one of pages, so where a team hears of several kinds, read "kinds times levels".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import Audience, Mention
from roundsman.repositories.notifications import NewNotification, NotificationEvent

_SEVERITIES = list(Severity)
_LEVELS = 999
"""So many levels have ranks of their own; a thousand steps lie between two severities."""


@dataclass(frozen=True)
class News:
    """An alert that was opened, or has risen to a level."""

    alert_id: int
    kind: str
    severity: Severity
    level: int
    """0: a warning."""
    since: datetime
    audience: Audience

    @property
    def event(self) -> NotificationEvent:
        return NotificationEvent.WARNING if self.level <= 0 else NotificationEvent.FIRING

    @property
    def rank(self) -> int:
        """The lower, the sooner it is sent: criticals first, then the higher level."""
        return _SEVERITIES.index(self.severity) * (_LEVELS + 1) + _LEVELS - max(0, min(self.level, _LEVELS))


def reach(audience: Audience, channels: Sequence[str]) -> tuple[str, ...]:
    """The channels on which an audience is told: those that it names, as far as they exist.

    If none of them does, all others: told in the wrong place is better than told to nobody.
    """
    return tuple(name for name in dict.fromkeys(audience.channels) if name in channels) or tuple(channels)


def messages(news: Iterable[News], channels: Sequence[str]) -> list[NewNotification]:
    """The messages about this news of one transaction. Who has waited longest is told of first."""
    places: dict[tuple[str | None, str], list[News]] = {}
    for each in sorted(news, key=lambda each: (each.since, each.alert_id)):
        for channel in reach(each.audience, channels):
            places.setdefault((each.audience.team, channel), []).append(each)
    parts = [(channel, part) for (_, channel), told in places.items() for part in _parts(told)]
    parts.sort(key=lambda entry: (entry[1][0].since, entry[1][0].alert_id))
    return [_message(channel, part) for channel, part in parts]


def _parts(told: Sequence[News]) -> list[list[News]]:
    """What one team hears on one channel, message by message."""
    digest_from = min((each.audience.digest_from for each in told if each.audience.digest_from), default=None)
    if digest_from is None or len(told) < max(digest_from, 2):
        return [[each] for each in told]
    together: dict[tuple[int, str], list[News]] = {}
    for each in told:
        together.setdefault((each.level, each.kind), []).append(each)
    return list(together.values())


def _message(channel: str, part: Sequence[News]) -> NewNotification:
    first = part[0]
    return NewNotification(
        channel=channel,
        event=first.event,
        level=first.level,
        rank=min(each.rank for each in part),
        alert_ids=tuple(each.alert_id for each in part),
        audience=replace(first.audience, mentions=_mentions(part)),
    )


def _mentions(part: Sequence[News]) -> tuple[Mention, ...]:
    """Everybody who is called by one of them, once."""
    called: Mapping[Mention, None] = dict.fromkeys(mention for each in part for mention in each.audience.mentions)
    return tuple(called)
