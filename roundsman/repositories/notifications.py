"""The outbox: messages about alerts wait here and keep what became of them.

How they are taken is in the claims. Those that must not leave yet are held here, too: see `held`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, exists, func, literal, or_, select, text

from roundsman.repositories.audience import EVERYBODY, Audience
from roundsman.repositories.columns import UtcTime
from roundsman.repositories.rows import InsertRows
from roundsman.repositories.tables import channels, notification_alerts, notifications

CHUNK = 500
"""Rows named in one statement; SQLite takes 32,766 variables, older builds 999."""

UNFINISHED = text("notifications.status IN ('pending', 'sending')")
"""Spelled with literals, as SQLite uses a partial index only when it can see its condition in the query."""

_MEMBERS = InsertRows(notification_alerts, ["notification_id", "alert_id", "channel", "event", "level", "copy"])


class NotificationEvent(StrEnum):
    """What a notification tells."""

    WARNING = "warning"
    """Something will be wrong soon."""
    FIRING = "firing"
    CHANGED = "changed"
    """A message that was sent is to show how its alerts stand by now: that somebody sees to them, say. No news."""
    RESOLVED = "resolved"

    @property
    def is_change(self) -> bool:
        """Whether it concerns a message that was sent before."""
        return self in (NotificationEvent.CHANGED, NotificationEvent.RESOLVED)


class NotificationStatus(StrEnum):
    """Where one delivery stands."""

    HELD = "held"
    """It must not leave yet: its time is when to look again."""
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    """Given up: the channel refused this very message."""
    CANCELLED = "cancelled"
    """It had become pointless before it went out, so there is nothing to tell."""


class HeldBy(StrEnum):
    """What keeps a message from leaving."""

    SILENCE = "silence"
    INHIBITION = "inhibition"
    """Another alert that explains this one is open."""
    QUIET_HOURS = "quiet_hours"
    SNOOZE = "snooze"
    REPEAT = "repeat"
    """It has been told and is told again if it still goes on then."""


@dataclass(frozen=True)
class Hold:
    """Why a message is held, and when to look again."""

    by: HeldBy
    until: datetime
    words: str
    """For the log: which silence, whose hours."""
    ref: int | None = None
    """The silence's or the muting alert's id."""


@dataclass(frozen=True)
class NewNotification:
    """A message to be sent: about one alert, or about many (a digest)."""

    channel: str
    event: NotificationEvent
    level: int
    rank: int
    """The lower, the sooner it is sent."""
    alert_ids: tuple[int, ...]
    """Those that have lasted longest first."""
    audience: Audience = EVERYBODY
    hold: Hold | None = None
    copy: int = 0
    """The how manieth message about this news on this channel, but for the first one: see `notification_alerts`."""

    @property
    def is_digest(self) -> bool:
        return len(self.alert_ids) > 1


@dataclass(frozen=True)
class Notification:
    """One delivery over one channel, as an alert sees it. Times are aware UTC."""

    id: int
    alert_id: int
    channel: str
    event: NotificationEvent
    level: int
    status: NotificationStatus
    attempts: int
    not_before: datetime
    created_at: datetime
    finished_at: datetime | None
    error: str | None
    held_by: HeldBy | None = None
    tells_of: int = 1
    """How many alerts it was made for."""
    audience: Audience = field(default=EVERYBODY)


@dataclass(frozen=True)
class Waiting:
    """Unfinished notifications of one channel in one state, seen at a glance."""

    channel: str
    owner: str | None
    """Who is sending them; None for those that wait."""
    earliest: datetime
    """When the first of them is due, or when the first lease ends."""


class NotificationRepository:
    """Enqueues notifications and lists them. Every method works in the caller's transaction."""

    def enqueue(self, connection: Connection, drafts: Sequence[NewNotification], now: datetime) -> None:
        """Let these wait for their channels, in this order. Nobody is told the same twice: raises IntegrityError."""
        for copy in sorted({draft.copy for draft in drafts}):
            self._enqueue(connection, [draft for draft in drafts if draft.copy == copy], now)

    def _enqueue(self, connection: Connection, drafts: Sequence[NewNotification], now: datetime) -> None:
        rows = [
            {
                "alert_id": draft.alert_ids[0],
                "channel": draft.channel,
                "event": draft.event.value,
                "level": draft.level,
                "rank": draft.rank,
                "audience": draft.audience.to_json(),
                "is_digest": draft.is_digest,
                "status": (NotificationStatus.HELD if draft.hold else NotificationStatus.PENDING).value,
                "held_by": draft.hold.by.value if draft.hold else None,
                "held_ref": draft.hold.ref if draft.hold else None,
                "not_before": draft.hold.until if draft.hold else now,
                "created_at": now,
            }
            for draft in drafts
        ]
        key = (notifications.c.alert_id, notifications.c.channel, notifications.c.level)
        inserted = connection.execute(notifications.insert().returning(notifications.c.id, *key), rows)
        ids = {(row.alert_id, row.channel, row.level): row.id for row in inserted}
        _MEMBERS.execute(
            connection,
            [
                (ids[draft.alert_ids[0], draft.channel, draft.level], alert_id, draft.channel, draft.event.value,
                 draft.level, draft.copy)
                for draft in drafts
                for alert_id in draft.alert_ids
            ],
        )  # fmt: skip

    def outlook(self, connection: Connection, now: datetime) -> list[Waiting]:
        """When something is next to be done, for all channels in one small query; nothing waits, nothing is read."""
        begins = case((is_of_the_future(now), literal(now, UtcTime())), else_=notifications.c.not_before)
        earliest = func.min(func.coalesce(notifications.c.lease_until, begins))
        query = (
            select(notifications.c.channel, notifications.c.owner, earliest.label("earliest"))
            .where(UNFINISHED, or_(notifications.c.status == NotificationStatus.SENDING.value, ~is_off()))
            .group_by(notifications.c.channel, notifications.c.owner)
        )
        return [Waiting(row.channel, row.owner, row.earliest) for row in connection.execute(query)]

    def backlog(self, connection: Connection) -> dict[str, int]:
        """How many notifications wait or are being sent, by channel; also on channels that are switched off."""
        query = (
            select(notifications.c.channel, func.count().label("waiting"))
            .where(UNFINISHED)
            .group_by(notifications.c.channel)
        )
        return {row.channel: row.waiting for row in connection.execute(query)}

    def shown_by(self, connection: Connection, notification_id: int) -> list[int]:
        """The alerts that a message tells of; none for one that is no longer kept."""
        mine = notification_alerts
        query = select(mine.c.alert_id).where(mine.c.notification_id == notification_id, ~mine.c.left_out)
        return list(connection.execute(query.order_by(mine.c.alert_id)).scalars())

    def of_alerts(self, connection: Connection, alert_ids: Iterable[int]) -> dict[int, list[Notification]]:
        """The notifications of these alerts, by alert, in the order in which they were enqueued."""
        found: dict[int, list[Notification]] = {}
        ids = list(alert_ids)
        members, beside = notification_alerts, notification_alerts.alias("beside")
        size = (
            select(func.count())
            .where(beside.c.notification_id == func.coalesce(notifications.c.edits, notifications.c.id))
            .scalar_subquery()
        )
        names = [name for name in Notification.__dataclass_fields__ if name not in ("alert_id", "tells_of")]
        wanted = [members.c.alert_id, size.label("tells_of"), *(notifications.c[name] for name in names)]
        for start in range(0, len(ids), CHUNK):
            query = (
                select(*wanted)
                .join(members, members.c.notification_id == notifications.c.id)
                .where(members.c.alert_id.in_(ids[start : start + CHUNK]))
                .order_by(notifications.c.id)
            )
            for row in connection.execute(query):
                found.setdefault(row.alert_id, []).append(_notification(row))
        return found


def is_off(channel: ColumnElement[str] | str = notifications.c.channel) -> ColumnElement[bool]:
    """Whether the channel of a notification, or this one, is switched off."""
    return exists().where(channels.c.channel == channel, channels.c.off_since.is_not(None))


def is_of_the_future(now: datetime) -> ColumnElement[bool]:
    """Whether it is news that was made when the clock was ahead, and nobody has tried it: it leaves now, and not only
    when its time has come once more."""
    made = notifications.c
    return (made.created_at > now) & (made.attempts == 0) & made.edits.is_(None)


def _notification(row: Row[Any]) -> Notification:
    facts: Mapping[str, Any] = {
        "event": NotificationEvent(row.event),
        "status": NotificationStatus(row.status),
        "audience": Audience.from_json(row.audience),
        "held_by": HeldBy(row.held_by) if row.held_by else None,
    }
    return Notification(**{**row._mapping, **facts})
