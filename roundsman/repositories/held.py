"""Held messages: those that must not leave yet. They are taken when their time comes, and go on or wait again.

A held message is about one alert. What is released together may become a digest: then the oldest takes in the others,
whose rows go; which alert was told where remains in `notification_alerts`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, select, text, update

from roundsman.repositories.alerts import Alert, AlertRepository
from roundsman.repositories.audience import Audience
from roundsman.repositories.notifications import (
    HeldBy,
    Hold,
    NewNotification,
    NotificationEvent,
    NotificationRepository,
    NotificationStatus,
)
from roundsman.repositories.tables import alerts, notification_alerts, notifications

HELD = text("notifications.status = 'held'")
"""Spelled with a literal, as SQLite uses a partial index only when it can see its condition in the query."""

Key = tuple[int, str, NotificationEvent, int]
"""Alert, channel, event, level."""


@dataclass(frozen=True)
class HeldMessage:
    """One whose time has come, and its alert."""

    id: int
    alert: Alert
    channel: str
    event: NotificationEvent
    level: int
    copy: int
    audience: Audience
    by: HeldBy
    is_told_higher: bool
    """Whether a message about a higher level of the alert is on its way on this channel, was sent, or is held."""


@dataclass(frozen=True)
class Released:
    """What leaves as one message."""

    ids: tuple[int, ...]
    """The first one takes in the others."""
    alert_id: int
    rank: int
    audience: Audience


class HeldRepository:
    """Takes, holds again and releases. Every method works in the caller's transaction."""

    def earliest(self, connection: Connection) -> datetime | None:
        """When the first of them is to be looked at."""
        found: datetime | None = connection.execute(select(func.min(notifications.c.not_before)).where(HELD)).scalar()
        return found

    def counts(self, connection: Connection) -> dict[str, dict[HeldBy, int]]:
        """How many are held on each channel, by what holds them."""
        query = (
            select(notifications.c.channel, notifications.c.held_by, func.count().label("held"))
            .where(HELD)
            .group_by(notifications.c.channel, notifications.c.held_by)
            .order_by(notifications.c.channel, notifications.c.held_by)
        )
        found: dict[str, dict[HeldBy, int]] = {}
        for row in connection.execute(query):
            found.setdefault(row.channel, {})[HeldBy(row.held_by)] = row.held
        return found

    def due(self, connection: Connection, now: datetime, limit: int) -> list[HeldMessage]:
        """Those to be looked at, the oldest first. Nobody else gets the same ones in a transaction at the same time."""
        mine = notification_alerts
        query = (
            select(notifications, mine.c.alert_id.label("member"), mine.c.copy)
            .join(mine, mine.c.notification_id == notifications.c.id)
            .where(HELD, notifications.c.not_before <= now)
            .order_by(notifications.c.not_before, notifications.c.id)
            .limit(limit)
            .with_for_update(of=notifications, skip_locked=True)
        )
        rows = connection.execute(query).all()
        higher = self._told_higher(connection, [row.id for row in rows]) if rows else set()
        return entries_of(connection, rows, lambda row, alert: row.id in higher)

    def hold(self, connection: Connection, message_id: int, hold: Hold) -> None:
        """Hold it, or hold it on."""
        values = {
            "status": NotificationStatus.HELD.value,
            "held_by": hold.by.value,
            "held_ref": hold.ref,
            "not_before": hold.until,
        }
        connection.execute(update(notifications).where(notifications.c.id == message_id).values(values))

    def cancel(self, connection: Connection, message_ids: Collection[int], now: datetime) -> None:
        """They are pointless by now."""
        if message_ids:
            gone = update(notifications).where(notifications.c.id.in_(message_ids))
            connection.execute(gone.values(status=NotificationStatus.CANCELLED.value, finished_at=now))

    def release(self, connection: Connection, released: Sequence[Released], now: datetime) -> None:
        """Let these leave."""
        for each in released:
            first, *others = each.ids
            if others:
                members = update(notification_alerts).where(notification_alerts.c.notification_id.in_(others))
                connection.execute(members.values(notification_id=first))
                connection.execute(delete(notifications).where(notifications.c.id.in_(others)))
            values = {
                "status": NotificationStatus.PENDING.value,
                "alert_id": each.alert_id,
                "held_by": None,
                "held_ref": None,
                "not_before": now,
                "rank": each.rank,
                "audience": each.audience.to_json(),
                "is_digest": bool(others),
            }
            connection.execute(update(notifications).where(notifications.c.id == first).values(values))

    def remind(self, connection: Connection, alert_id: int, hold: Hold, now: datetime) -> None:
        """Tell the news of an alert's present level once more, to everybody who was told, when this is over.

        A reminder that waits already waits for this one instead.
        """
        mine, told = notification_alerts, notifications
        waiting = update(told).where(HELD, told.c.alert_id == alert_id, told.c.held_by == hold.by.value)
        if connection.execute(waiting.values(not_before=hold.until)).rowcount:
            return
        query = (
            select(mine.c.channel, mine.c.event, mine.c.level, told.c.rank, told.c.audience, mine.c.copy)
            .join(told, told.c.id == mine.c.notification_id)
            .join(alerts, alerts.c.id == mine.c.alert_id)
            .where(
                mine.c.alert_id == alert_id,
                mine.c.level == alerts.c.level,
                told.c.edits.is_(None),
                told.c.status.in_([NotificationStatus.SENT.value, NotificationStatus.SENDING.value]),
            )
            .order_by(mine.c.copy.desc())
        )
        first = {row.channel: row for row in connection.execute(query)}
        for row in first.values():
            key = (alert_id, row.channel, NotificationEvent(row.event), row.level)
            draft = NewNotification(
                row.channel, key[2], row.level, row.rank, (alert_id,), Audience.from_json(row.audience), hold,
                self.last_copies(connection, [key])[key] + 1,
            )  # fmt: skip
            NotificationRepository().enqueue(connection, [draft], now)

    def look_again(self, connection: Connection, by: HeldBy, ref: int, now: datetime) -> None:
        """What this one kept back is looked at now."""
        mine = (HELD, notifications.c.held_by == by.value, notifications.c.held_ref == ref)
        connection.execute(update(notifications).where(*mine).values(not_before=now))

    def last_copies(self, connection: Connection, keys: Iterable[Key]) -> Mapping[Key, int]:
        """The highest number of a message about each of these, where there is one."""
        wanted = set(keys)
        mine = notification_alerts
        query = (
            select(mine.c.alert_id, mine.c.channel, mine.c.event, mine.c.level, func.max(mine.c.copy).label("last"))
            .where(mine.c.alert_id.in_({key[0] for key in wanted}))
            .group_by(mine.c.alert_id, mine.c.channel, mine.c.event, mine.c.level)
        )
        found = {
            (row.alert_id, row.channel, NotificationEvent(row.event), row.level): row.last
            for row in connection.execute(query)
        }
        return {key: found[key] for key in wanted if key in found}

    def audience_of(self, connection: Connection, alert_id: int) -> Audience:
        """Whom an alert was told first, or is to be told."""
        mine = notification_alerts
        query = (
            select(notifications.c.audience)
            .join(mine, mine.c.notification_id == notifications.c.id)
            .where(mine.c.alert_id == alert_id)
            .order_by(notifications.c.id)
            .limit(1)
        )
        return Audience.from_json(connection.execute(query).scalar_one_or_none())

    def untold_until(self, connection: Connection, alert_id: int, level: int) -> datetime | None:
        """Where all that tells of an alert at this level is held back: when the first of it is let go. None: some of it
        was told, or leaves now."""
        mine = notification_alerts
        query = (
            select(notifications.c.status, notifications.c.held_by, notifications.c.not_before)
            .join(mine, mine.c.notification_id == notifications.c.id)
            .where(mine.c.alert_id == alert_id, mine.c.level == level, notifications.c.edits.is_(None))
        )
        rows = connection.execute(query).all()
        never = (NotificationStatus.HELD.value, NotificationStatus.CANCELLED.value)
        if any(row.status not in never for row in rows):
            return None
        return min((row.not_before for row in rows if row.status == NotificationStatus.HELD.value), default=None)

    def _told_higher(self, connection: Connection, message_ids: Sequence[int]) -> set[int]:
        above, told = notification_alerts.alias("above"), notifications.alias("told")
        query = select(notifications.c.id).where(
            notifications.c.id.in_(message_ids),
            exists().where(
                above.c.alert_id == notifications.c.alert_id,
                above.c.channel == notifications.c.channel,
                told.c.edits.is_(None),
                above.c.level > notifications.c.level,
                told.c.id == above.c.notification_id,
                told.c.status.not_in([NotificationStatus.CANCELLED.value, NotificationStatus.FAILED.value]),
            ),
        )
        return set(connection.execute(query).scalars())


def entries_of(
    connection: Connection, rows: Sequence[Row[Any]], is_told_higher: Callable[[Row[Any], Alert], bool]
) -> list[HeldMessage]:
    """One entry an alert: `rows` are messages with the alert (`member`) and its `copy`.

    A message that is not held counts as what is told again.
    """
    found = AlertRepository().find_all(connection, {row.member for row in rows}) if rows else []
    known = {alert.id: alert for alert in found}
    return [
        HeldMessage(
            row.id,
            known[row.member],
            row.channel,
            NotificationEvent(row.event),
            row.level,
            row.copy,
            Audience.from_json(row.audience),
            HeldBy(row.held_by or HeldBy.REPEAT),
            is_told_higher(row, known[row.member]),
        )
        for row in rows
    ]
