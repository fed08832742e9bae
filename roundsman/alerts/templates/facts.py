"""What a text needs to know about an alert, taken from its row once and for all languages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from roundsman.alerts.message import one_line
from roundsman.repositories.alerts import Alert
from roundsman.repositories.notifications import NotificationEvent

_PLATFORMS = {"messenger": "Messenger", "whatsapp": "WhatsApp", "tiktok": "TikTok", "tiktok_business": "TikTok"}
"""Names that a capital letter alone does not make right."""


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
    was_answered: bool
    answered_by: str | None
    resolution: str

    @classmethod
    def of(cls, alert: Alert, event: NotificationEvent, now: datetime, zone: ZoneInfo) -> Self:
        notes = alert.annotations
        page = _text(notes, "page_name")
        return cls(
            customer=_text(notes, "customer_name"),
            page=page,
            platform=_platform(_text(notes, "platform"), page),
            is_comment=(_text(notes, "conversation_type") or "").upper() == "COMMENT",
            waited=_waited(alert, event, now),
            since=alert.since_at.astimezone(zone),
            threshold_minutes=_decimal(notes, "threshold_minutes"),
            was_answered=_text(notes, "answered_at") is not None,
            answered_by=_text(notes, "answered_by"),
            resolution=one_line(alert.resolution or ""),
        )


def _waited(alert: Alert, event: NotificationEvent, now: datetime) -> timedelta:
    """The whole wait when it is over; else the wait at opening plus what passed until now (a retry may be late)."""
    minutes = _whole(alert.annotations, "waited_minutes")
    if event is NotificationEvent.RESOLVED:
        end = alert.resolved_at or now
        return max(end - alert.since_at, timedelta(0)) if minutes is None else timedelta(minutes=minutes)
    counted = alert.opened_at - alert.since_at if minutes is None else timedelta(minutes=minutes)
    return max(counted, timedelta(0)) + max(now - alert.opened_at, timedelta(0))


def _platform(platform: str | None, page: str | None) -> str | None:
    """Its name as people write it; None when the page's own name says it already, as in `Lụa Vân (WhatsApp)`."""
    if platform is None or platform.casefold() in (page or "").casefold():
        return None
    return _PLATFORMS.get(platform.lower(), platform[:1].upper() + platform[1:])


def _text(notes: Mapping[str, Any], name: str) -> str | None:
    value = notes.get(name)
    return (one_line(value, 200) or None) if value is not None else None


def _whole(notes: Mapping[str, Any], name: str) -> int | None:
    value = notes.get(name)
    return int(value) if isinstance(value, int | float) and 0 <= value < 1e7 else None


def _decimal(notes: Mapping[str, Any], name: str) -> str | None:
    value = notes.get(name)
    return f"{value:g}" if isinstance(value, int | float) and 0 <= value < 1e7 else None
