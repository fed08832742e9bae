"""A piece of news, and the parcels that it becomes: one for each channel on which it is told. Plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from roundsman.alerts.rules.facts import facts_of
from roundsman.alerts.rules.route import DEFAULT_ROUTE, Route
from roundsman.repositories.alerts import Alert, Severity
from roundsman.repositories.audience import Audience
from roundsman.repositories.notifications import Hold, NotificationEvent

_SEVERITIES = list(Severity)
_LEVELS = 999
"""So many levels have ranks of their own; a thousand steps lie between two severities."""


@dataclass(frozen=True)
class News:
    """An alert that was opened, has risen to a level, or is told of again."""

    alert_id: int
    kind: str
    severity: Severity
    level: int
    """0: a warning."""
    since: datetime
    audience: Audience
    subject: str = ""
    job: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    unanswered_after: timedelta | None = None
    """When it rises no further: how long until the journal says that nobody answers; None: it does not."""

    @classmethod
    def of(cls, alert: Alert, level: int, audience: Audience) -> "News":
        """What is to be said of a stored alert."""
        return cls(
            alert.id, alert.kind, alert.severity, level, alert.since_at, audience,
            subject=alert.subject, job=alert.job, labels=alert.labels,
        )  # fmt: skip

    @property
    def event(self) -> NotificationEvent:
        return NotificationEvent.WARNING if self.level <= 0 else NotificationEvent.FIRING

    @property
    def rank(self) -> int:
        """The lower, the sooner it is sent: criticals first, then the higher level."""
        return rank_of(self.severity, self.level)

    @cached_property
    def facts(self) -> Mapping[str, str]:
        """What matchers look at."""
        return facts_of(self.kind, self.severity, self.level, self.subject, self.job, self.labels) | {
            "team": self.audience.team or ""
        }


@dataclass(frozen=True)
class Parcel:
    """News on its way to one channel. Each stage may redirect it, hold it, split it, or drop it with a reason."""

    news: News
    channel: str
    audience: Audience
    """Of the news, as its route has it on this channel."""
    route: Route = DEFAULT_ROUTE
    hold: Hold | None = None
    """Why it must not leave yet; the first stage that holds it is the one that says so."""
    copy: int = 0

    @property
    def key(self) -> tuple[int, str, NotificationEvent, int]:
        """What it tells on which channel; with `copy`, no two are the same."""
        return self.news.alert_id, self.channel, self.news.event, self.news.level


def rank_of(severity: Severity, level: int) -> int:
    """The order in which messages leave."""
    return _SEVERITIES.index(severity) * (_LEVELS + 1) + _LEVELS - max(0, min(level, _LEVELS))
