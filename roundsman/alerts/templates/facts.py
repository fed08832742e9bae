"""What a text needs to know about an alert, taken from its row once and for all languages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from roundsman.alerts.message import one_line
from roundsman.alerts.templates.contacts import shown
from roundsman.repositories.alerts import LET_ALONE, Alert
from roundsman.repositories.notifications import NotificationEvent

_PLATFORMS = {"messenger": "Messenger", "whatsapp": "WhatsApp", "tiktok": "TikTok", "tiktok_business": "TikTok"}
"""Names that a capital letter alone does not make right."""
_MOST_CHARGED = 5


@dataclass(frozen=True)
class Scene:
    """One piece of news: which event of which alert is told, to whom, when."""

    alert: Alert
    event: NotificationEvent
    now: datetime
    zone: ZoneInfo
    """Of the readers."""
    level: int = 1
    team: str | None = None
    template: str | None = None
    """The folder of one's own texts that its route asks for."""

    def local(self, value: object) -> datetime | None:
        """A time among the annotations, by the clock of the readers."""
        try:
            at = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            return None
        return at.astimezone(self.zone) if at is not None and at.tzinfo is not None else None

    @property
    def since_facts(self) -> timedelta:
        """The time since the annotations were written: what grows has grown by it."""
        return max(self.now - (self.alert.facts_at or self.alert.opened_at), timedelta(0))

    @property
    def lasted(self) -> timedelta:
        return max((self.alert.resolved_at or self.now) - self.alert.since_at, timedelta(0))

    @property
    def is_set_aside(self) -> bool:
        """Over by somebody's word or for want of interest: nothing is known to work again."""
        notes = self.alert.annotations
        return self.event is NotificationEvent.RESOLVED and ("resolved_by" in notes or notes.get(LET_ALONE) is True)

    @property
    def name(self) -> str:
        """Of the page, or of the first job, that it is about."""
        notes = self.alert.annotations
        jobs = notes.get("jobs")
        job = one_line(jobs[0], 100) if isinstance(jobs, list) and jobs else None
        return text_of(notes, "page_name") or job or shown(self.alert.subject, 100)


@dataclass(frozen=True)
class UnrepliedFacts:
    """A customer who waits, or waited, for an answer."""

    customer: str | None
    page: str | None
    platform: str | None
    is_comment: bool
    waited: timedelta
    since: datetime
    """In local time."""
    threshold_minutes: str | None
    """A number as people write it: it may be half a minute."""
    target: str
    """`first` or `next` answer; empty where that makes no difference."""
    due: datetime | None
    """In local time: when a warning comes true."""
    left: timedelta | None
    """Until then."""
    bot_answered: datetime | None
    no_person_since: datetime | None
    """When the wait for a person began, if a bot has answered since."""
    charged: tuple[tuple[str, int], ...]
    """In whose shifts the customer waited, and for how many minutes."""
    level: int
    team: str | None
    was_answered: bool
    answered_by: str | None
    resolution: str

    @classmethod
    def of(cls, scene: Scene) -> Self:
        alert, notes = scene.alert, scene.alert.annotations
        page, since = text_of(notes, "page_name"), alert.since_at.astimezone(scene.zone)
        waited, threshold = _waited(scene), _number(notes, "threshold_minutes")
        due = scene.local(notes.get("due_at"))
        left = due - scene.now if due else timedelta(minutes=threshold) - waited if threshold is not None else None
        human, customers = scene.local(notes.get("human_waiting_since")), scene.local(notes.get("waiting_since"))
        target = notes.get("target")
        return cls(
            customer=text_of(notes, "customer_name"),
            page=page,
            platform=_platform(text_of(notes, "platform"), page),
            is_comment=(text_of(notes, "conversation_type") or "").upper() == "COMMENT",
            waited=waited,
            since=since,
            threshold_minutes=None if threshold is None else f"{threshold:g}",
            target=target if target in ("first", "next") else "",
            due=due,
            left=None if left is None else max(left, timedelta(0)),
            bot_answered=scene.local(notes.get("bot_answered_at")),
            no_person_since=human if human and (customers is None or human < customers) else None,
            charged=_charged(notes.get("charged")),
            level=scene.level,
            team=one_line(scene.team, 100) if scene.team else None,
            was_answered=text_of(notes, "answered_at") is not None,
            answered_by=text_of(notes, "answered_by"),
            resolution=shown(alert.resolution or ""),
        )


@dataclass(frozen=True)
class PageFacts:
    """A page whose data does not come in, or will not for long."""

    page: str | None
    age: timedelta | None
    """Of its newest data."""
    error: str | None
    reason: str | None
    days: int | None
    """That its token is still good for."""
    lasted: timedelta

    @classmethod
    def of(cls, scene: Scene) -> Self:
        notes = scene.alert.annotations
        age, days = _number(notes, "data_age_minutes"), _number(notes, "days")
        return cls(
            page=text_of(notes, "page_name"),
            age=None if age is None else timedelta(minutes=age) + scene.since_facts,
            error=text_of(notes, "last_error"),
            reason=text_of(notes, "reason"),
            days=None if days is None else max(int(days) - scene.since_facts.days, 0),
            lasted=scene.lasted,
        )


def text_of(notes: Mapping[str, Any], name: str) -> str | None:
    """An annotation as a short line without contacts; None when it is not there."""
    value = notes.get(name)
    return (shown(value, 200) or None) if value is not None else None


def _waited(scene: Scene) -> timedelta:
    """The whole wait when it is over; else the wait as last counted plus what passed until now (retries are late)."""
    alert = scene.alert
    minutes = _number(alert.annotations, "waited_minutes")
    if scene.event is NotificationEvent.RESOLVED:
        return scene.lasted if minutes is None else timedelta(minutes=int(minutes))
    if minutes is None:
        return max(scene.now - alert.since_at, timedelta(0))
    return timedelta(minutes=int(minutes)) + scene.since_facts


def _platform(platform: str | None, page: str | None) -> str | None:
    """Its name as people write it; None when the page's own name says it already, as in `Lụa Vân (WhatsApp)`."""
    if platform is None or platform.casefold() in (page or "").casefold():
        return None
    return _PLATFORMS.get(platform.lower(), platform[:1].upper() + platform[1:])


def _charged(value: object) -> tuple[tuple[str, int], ...]:
    entries = [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
    found = [(text_of(entry, "name"), _number(entry, "minutes")) for entry in entries]
    return tuple((name, int(minutes)) for name, minutes in found if name and minutes)[:_MOST_CHARGED]


def _number(notes: Mapping[str, Any], name: str) -> float | None:
    value = notes.get(name)
    return value if isinstance(value, int | float) and 0 <= value < 1e7 else None
