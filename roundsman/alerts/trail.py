"""The trail of an alert: what the stages decided about it, as entries of its log. `alerts why` prints them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from roundsman.alerts.news import News, Parcel
from roundsman.alerts.rules.route import DEFAULT_ROUTE
from roundsman.alerts.stages.dedup import Pointless
from roundsman.repositories.alert_log import LogEntry, LogEvent
from roundsman.repositories.held import HeldMessage
from roundsman.repositories.notifications import HeldBy


def routed(news: News, event: LogEvent, parcels: Sequence[Parcel], channels: Sequence[str], now: datetime) -> LogEntry:
    """Where it goes, and why. `channels`: those that are set up."""
    mine = [each for each in parcels if each.news is news]
    audience = mine[0].audience if mine else news.audience
    named = (*news.audience.channels, *audience.channels)
    detail = {
        "team": audience.team,
        "channels": [each.channel for each in mine],
        "mentions": [each.name for each in audience.mentions],
        "not_configured": [name for name in dict.fromkeys(named) if name not in channels],
        "route": mine[0].route.name if mine and mine[0].route is not DEFAULT_ROUTE else None,
    }
    known = {name: value for name, value in detail.items() if value}
    return LogEntry(news.alert_id, now, event, news.level, detail=known)


def is_worth_noting(parcel: Parcel) -> bool:
    """Whether it is held for a reason; a repeat is no news."""
    return parcel.hold is not None and parcel.hold.by is not HeldBy.REPEAT


def held(parcel: Parcel, now: datetime) -> LogEntry:
    """By what it is held, and until when."""
    assert parcel.hold is not None
    names: Mapping[str, object] = {"for": [each.name for each in parcel.audience.mentions]} if parcel.copy else {}
    detail = {"by": parcel.hold.by.value, "reason": parcel.hold.words, "until": parcel.hold.until.isoformat(), **names}
    return LogEntry(parcel.news.alert_id, now, LogEvent.HELD, parcel.news.level, parcel.channel, detail)


def cancelled(message: HeldMessage, reason: Pointless, now: datetime) -> LogEntry:
    """Why it is not told after all."""
    detail = {"news": message.event.value, "reason": reason.value}
    return LogEntry(message.alert.id, now, LogEvent.CANCELLED, message.level, message.channel, detail)
