"""The log of alerts: what became of each, who was told when, and why somebody was not.

Rows are only added, in the transaction of what they tell of, and go when their alert goes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, exists, select

from roundsman.repositories.rows import InsertRows
from roundsman.repositories.tables import alert_log, alerts

_INSERT = InsertRows(alert_log, ["alert_id", "at", "event", "level", "channel", "detail"])


class LogEvent(StrEnum):
    """What happened to an alert."""

    OPENED = "opened"
    WARNED = "warned"
    """Opened before the limit was reached."""
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"
    CLAIMED = "claimed"
    """Taken over, or taken without anybody having had it."""
    SNOOZED = "snoozed"
    RESOLVED = "resolved"
    HELD = "held"
    """A message must not leave yet."""
    CHAIN_ENDED = "chain_ended"
    """Every level was told, and nobody has taken it."""
    TOLD = "told"
    """A message arrived on a channel."""
    CANCELLED = "cancelled"
    """A message had become pointless before it left."""
    GAVE_UP = "gave_up"
    """A channel will not take a message; another one takes over if the route names one."""
    UNTAKEN = "untaken"
    """All tries of a message's severity were in vain, and no other channel takes over; it is tried on."""


NEWS = (LogEvent.OPENED.value, LogEvent.WARNED.value, LogEvent.ESCALATED.value)
"""Those by which people hear of a level."""
_ANSWERS = (LogEvent.ACKNOWLEDGED.value, LogEvent.SNOOZED.value)


@dataclass(frozen=True)
class LogEntry:
    """One row. The time is aware UTC."""

    alert_id: int
    at: datetime
    event: LogEvent
    level: int | None = None
    channel: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


class TakenSpan(NamedTuple):
    """Somebody saw to an alert after `taken_from` and before `taken_until`, so that it did not rise then.

    Of several of one subject the one that began last counts.
    """

    subject: str
    taken_from: datetime
    taken_until: datetime | None


class AlertLog:
    """Adds to the log and reads it. Works in the caller's transaction."""

    def add(self, connection: Connection, entries: Sequence[LogEntry]) -> None:
        """Write these rows, in their order."""
        _INSERT.execute(
            connection,
            [
                (each.alert_id, each.at, each.event.value, each.level, each.channel, dict(each.detail) or None)
                for each in entries
            ],
        )

    def knows(self, connection: Connection, entry: LogEntry) -> bool:
        """Whether the same was noted before, at whatever time."""
        key = ("alert_id", "event", "level", "channel")
        same = (getattr(alert_log.c, name) == getattr(entry, name) for name in key)
        return bool(connection.execute(select(exists().where(*same))).scalar())

    def told(
        self, connection: Connection, kind: str, start: datetime, end: datetime
    ) -> list[tuple[datetime, str, int, datetime]]:
        """When alerts of a kind were opened or rose within [start, end): moment, fingerprint, level, since when."""
        query = (
            select(alert_log.c.at, alerts.c.fingerprint, alert_log.c.level, alerts.c.since_at)
            .join(alerts, alerts.c.id == alert_log.c.alert_id)
            .where(alerts.c.kind == kind, alert_log.c.event.in_(NEWS), alert_log.c.at >= start, alert_log.c.at < end)
            .order_by(alert_log.c.id)
        )
        return [(row.at, row.fingerprint, row.level, row.since_at) for row in connection.execute(query)]

    def taken(self, connection: Connection, kind: str, start: datetime, end: datetime) -> list[TakenSpan]:
        """Who took alerts of a kind within [start, end), in the order in which it happened."""
        query = (
            select(alert_log.c.at, alert_log.c.detail, alerts.c.fingerprint, alerts.c.resolved_at)
            .join(alerts, alerts.c.id == alert_log.c.alert_id)
            .where(
                alerts.c.kind == kind, alert_log.c.event.in_(_ANSWERS), alert_log.c.at >= start, alert_log.c.at < end
            )
            .order_by(alert_log.c.id)
        )
        found = []
        for row in connection.execute(query):
            snoozed = [datetime.fromisoformat(row.detail["until"])] if "until" in row.detail else []
            ends = [*snoozed, *([row.resolved_at] if row.resolved_at is not None else [])]
            found.append(TakenSpan(row.fingerprint.removeprefix(f"{kind}:"), row.at, min(ends, default=None)))
        return found

    def of_alert(self, connection: Connection, alert_id: int) -> list[LogEntry]:
        """Everything about one alert, in the order in which it happened."""
        query = select(alert_log).where(alert_log.c.alert_id == alert_id).order_by(alert_log.c.id)
        return [
            LogEntry(row.alert_id, row.at, LogEvent(row.event), row.level, row.channel, row.detail or {})
            for row in connection.execute(query)
        ]
