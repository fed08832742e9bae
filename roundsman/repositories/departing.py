"""Messages about to leave: what waits for a channel and nobody has tried to send, and how it is kept back after all.

Changes of messages that were sent wait, too. What they change is nowhere but on their own channel, so they cannot go to
another one.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, exists, func, insert, select, update

from roundsman.repositories.held import HeldMessage, HeldRepository, entries_of
from roundsman.repositories.notifications import UNFINISHED, Hold, NotificationStatus
from roundsman.repositories.tables import notification_alerts, notifications

_UNTRIED = (
    notifications.c.status == NotificationStatus.PENDING.value,
    notifications.c.edits.is_(None),
    notifications.c.attempts == 0,
    ~notifications.c.is_digest,
)

_HOMELESS = (
    UNFINISHED,
    notifications.c.status == NotificationStatus.PENDING.value,
    notifications.c.edits.is_(None),
)

_CHANGES = (
    UNFINISHED,
    notifications.c.status == NotificationStatus.PENDING.value,
    notifications.c.edits.is_not(None),
)


class DepartingRepository:
    """Looks at them and keeps them back. Every method works in the caller's transaction."""

    def crowded(self, connection: Connection, most: int) -> list[str]:
        """The channels on which more than so many messages wait that nobody has tried to send yet."""
        query = select(notifications.c.channel).where(UNFINISHED, *_UNTRIED).group_by(notifications.c.channel)
        return list(connection.execute(query.having(func.count() > most)).scalars())

    def untried(self, connection: Connection, channel: str, limit: int) -> list[HeldMessage]:
        """Messages about one alert that wait for this channel untried, the first ones to leave first."""
        mine = notification_alerts
        query = (
            select(notifications, mine.c.alert_id.label("member"), mine.c.copy)
            .join(mine, mine.c.notification_id == notifications.c.id)
            .where(UNFINISHED, notifications.c.channel == channel, *_UNTRIED)
            .order_by(notifications.c.rank, notifications.c.id)
            .limit(limit)
            .with_for_update(of=notifications, skip_locked=True)
        )
        return _messages(connection, query)

    def pending_of(self, connection: Connection, alert_ids: Collection[int]) -> list[HeldMessage]:
        """What is about to leave about these open alerts: one entry an alert, also of those in a digest.

        A message that a sender has tried, or that died with one, is left as it is: perhaps it has been read.
        """
        mine = notification_alerts
        query = (
            select(notifications, mine.c.alert_id.label("member"), mine.c.copy)
            .join(mine, mine.c.notification_id == notifications.c.id)
            .where(
                mine.c.alert_id.in_(alert_ids),
                notifications.c.status == NotificationStatus.PENDING.value,
                notifications.c.edits.is_(None),
                ~notifications.c.maybe_sent,
            )
            .order_by(notifications.c.id, mine.c.alert_id)
            .with_for_update(of=notifications, skip_locked=True)
        )
        return _messages(connection, query)

    def homeless(
        self, connection: Connection, channels: Collection[str], due_before: datetime, limit: int
    ) -> list[HeldMessage]:
        """What should have left on other channels than these before this moment, and tells of open alerts: one entry an
        alert, also of those in a digest."""
        mine = notification_alerts
        late = (
            select(notifications.c.id)
            .where(*_HOMELESS, notifications.c.channel.not_in(channels), notifications.c.not_before < due_before)
            .order_by(notifications.c.rank, notifications.c.id)
            .limit(limit)
            .with_for_update(of=notifications, skip_locked=True)
        )
        ids = list(connection.execute(late).scalars())
        query = (
            select(notifications, mine.c.alert_id.label("member"), mine.c.copy)
            .join(mine, mine.c.notification_id == notifications.c.id)
            .where(notifications.c.id.in_(ids), ~mine.c.left_out)
            .order_by(notifications.c.rank, notifications.c.id, mine.c.alert_id)
        )
        return [each for each in _messages(connection, query) if each.alert.resolved_at is None]

    def is_any_homeless(self, connection: Connection, channels: Collection[str], due_before: datetime) -> bool:
        """Whether there is such a message."""
        late = (notifications.c.channel.not_in(channels), notifications.c.not_before < due_before)
        return connection.execute(select(exists().where(*_HOMELESS, *late))).scalar_one()

    def is_any_change_lost(self, connection: Connection, channels: Collection[str], made_before: datetime) -> bool:
        """Whether `cancel_lost_changes` has something to do."""
        lost = (notifications.c.channel.not_in(channels), notifications.c.created_at < made_before)
        return connection.execute(select(exists().where(*_CHANGES, *lost))).scalar_one()

    def cancel_lost_changes(
        self, connection: Connection, channels: Collection[str], made_before: datetime, now: datetime, limit: int
    ) -> list[HeldMessage]:
        """Cancel changes that wait for other channels than these since before this moment: one entry an alert."""
        lost = (
            select(notifications.c.id)
            .where(*_CHANGES, notifications.c.channel.not_in(channels), notifications.c.created_at < made_before)
            .order_by(notifications.c.id)
            .limit(limit)
            .with_for_update(of=notifications, skip_locked=True)
        )
        ids = list(connection.execute(lost).scalars())
        mine = notification_alerts
        query = (
            select(notifications, func.coalesce(mine.c.alert_id, notifications.c.alert_id).label("member"))
            .add_columns(func.coalesce(mine.c.copy, 0).label("copy"))
            .outerjoin(mine, mine.c.notification_id == notifications.c.id)  # one that shows an answer has no members
            .where(notifications.c.id.in_(ids))
            .order_by(notifications.c.id, mine.c.alert_id)
        )
        found = _messages(connection, query)
        HeldRepository().cancel(connection, ids, now)
        return found

    def take_out(self, connection: Connection, message: HeldMessage, rank: int, hold: Hold, now: datetime) -> None:
        """Hold what a message that is about to leave tells of one alert; a digest goes on without it."""
        mine = notification_alerts
        beside = exists().where(mine.c.notification_id == message.id, mine.c.alert_id != message.alert.id)
        if not connection.execute(select(beside)).scalar_one():
            HeldRepository().hold(connection, message.id, hold)
            return
        values = {
            "alert_id": message.alert.id, "channel": message.channel, "event": message.event.value,
            "level": message.level, "rank": rank, "audience": message.audience.to_json(), "is_digest": False,
            "status": NotificationStatus.HELD.value, "held_by": hold.by.value, "held_ref": hold.ref,
            "not_before": hold.until, "created_at": now,
        }  # fmt: skip
        new = connection.execute(insert(notifications).values(values).returning(notifications.c.id)).scalar_one()
        moved = update(mine).where(mine.c.notification_id == message.id, mine.c.alert_id == message.alert.id)
        connection.execute(moved.values(notification_id=new))
        left = select(mine.c.alert_id).where(mine.c.notification_id == message.id).order_by(mine.c.alert_id).limit(1)
        connection.execute(
            update(notifications).where(notifications.c.id == message.id).values(alert_id=left.scalar_subquery())
        )


def _messages(connection: Connection, query: Select[Any]) -> list[HeldMessage]:
    """`query` gives messages with the alert (`member`) and its `copy`."""
    rows = connection.execute(query).all()
    return entries_of(connection, rows, lambda row, alert: alert.level > row.level)
