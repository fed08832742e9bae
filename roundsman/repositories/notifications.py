"""The outbox: notifications wait here, are claimed, and keep what became of them.

A claim is a guarded update that writes the owner and a lease beside the row. Nobody else touches the row until the
outcome is recorded, the owner is known to be dead, or the lease has run out. Whatever is recorded names the owner
and the attempt of its claim, so a process that was away too long cannot overwrite its successor.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Update, and_, exists, func, or_, select, text, update

from roundsman.repositories.tables import alerts, channels, notifications

CHUNK = 500
"""Rows named in one statement; SQLite takes 32,766 variables, older builds 999."""

UNFINISHED = text("notifications.status IN ('pending', 'sending')")
"""Spelled with literals, as SQLite uses a partial index only when it can see its condition in the query."""


class NotificationEvent(StrEnum):
    """What a notification tells."""

    FIRING = "firing"
    RESOLVED = "resolved"


class NotificationStatus(StrEnum):
    """Where one delivery stands."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    """Given up: the channel refused this very message."""
    CANCELLED = "cancelled"
    """Its alert was resolved before it went out: the receiver never knew, so there is nothing to tell."""


@dataclass(frozen=True)
class Notification:
    """One delivery of an alert over one channel. Times are aware UTC."""

    id: int
    alert_id: int
    channel: str
    event: NotificationEvent
    status: NotificationStatus
    attempts: int
    not_before: datetime
    created_at: datetime
    finished_at: datetime | None
    error: str | None


@dataclass(frozen=True)
class Claim:
    """A notification that this process alone may send, until the lease ends."""

    id: int
    alert_id: int
    channel: str
    event: NotificationEvent
    attempts: int
    """Including the one that begins now."""
    owner: str
    created_at: datetime
    firing_receipt: Mapping[str, Any] | None
    """For a `resolved` one: the receipt of the message that it may edit."""


@dataclass(frozen=True)
class Waiting:
    """Unfinished notifications of one channel in one state, seen at a glance."""

    channel: str
    owner: str | None
    """Who is sending them; None for those that wait."""
    earliest: datetime
    """When the first of them is due, or when the first lease ends."""


class NotificationRepository:
    """Claims notifications and records what became of them. Every method works in the caller's transaction."""

    def claim(self, connection: Connection, channel: str, owner: str, now: datetime, lease: timedelta) -> Claim | None:
        """Take the next due notification of a channel that is not switched off, or None.

        On the way, what has become pointless is cancelled: a firing message of an alert that is resolved by now,
        and the resolved message of one whose firing message never arrived. One whose sender died while sending it
        counts as sent, without a receipt: whoever did get it must hear the end. A resolved message waits for its
        firing one, which may be in flight in another process.
        """
        firing = notifications.alias("firing")
        twin = and_(
            firing.c.alert_id == notifications.c.alert_id,
            firing.c.channel == notifications.c.channel,
            firing.c.event == NotificationEvent.FIRING.value,
        )
        query = (
            select(
                notifications,
                alerts.c.status.label("alert_status"),
                firing.c.status.label("firing_status"),
                firing.c.receipt.label("firing_receipt"),
            )
            .join(alerts, alerts.c.id == notifications.c.alert_id)
            .outerjoin(firing, twin)
            .where(
                UNFINISHED,
                notifications.c.channel == channel,
                notifications.c.status == NotificationStatus.PENDING.value,
                notifications.c.not_before <= now,
                ~_is_off(),
                or_(
                    notifications.c.event == NotificationEvent.FIRING.value,
                    firing.c.status.not_in([NotificationStatus.PENDING.value, NotificationStatus.SENDING.value]),
                ),
            )
            .order_by(notifications.c.not_before, notifications.c.id)
            .limit(1)
            .with_for_update(of=notifications, skip_locked=True)
        )
        while (row := connection.execute(query).one_or_none()) is not None:
            if _is_pointless(row):
                perhaps_sent = row.attempts > 0 and row.error is None
                ending = NotificationStatus.SENT if perhaps_sent else NotificationStatus.CANCELLED
                connection.execute(_finish(row.id, ending, now))
                continue
            connection.execute(
                update(notifications)
                .where(notifications.c.id == row.id, notifications.c.status == NotificationStatus.PENDING.value)
                .values(
                    status=NotificationStatus.SENDING.value,
                    owner=owner,
                    lease_until=now + lease,
                    attempts=row.attempts + 1,
                    error=None,
                )
            )
            return Claim(
                id=row.id,
                alert_id=row.alert_id,
                channel=channel,
                event=NotificationEvent(row.event),
                attempts=row.attempts + 1,
                owner=owner,
                created_at=row.created_at,
                firing_receipt=row.firing_receipt if row.event == NotificationEvent.RESOLVED else None,
            )
        return None

    def sent(self, connection: Connection, claim: Claim, receipt: Mapping[str, Any], now: datetime) -> bool:
        """Record the delivery. False: the claim was lost meanwhile and nothing was changed."""
        done = _finish(claim.id, NotificationStatus.SENT, now).where(*_mine(claim))
        return connection.execute(done.values(receipt=dict(receipt), error=None)).rowcount == 1

    def failed(self, connection: Connection, claim: Claim, error: str, now: datetime) -> bool:
        """Give this notification up. False: the claim was lost meanwhile and nothing was changed."""
        done = _finish(claim.id, NotificationStatus.FAILED, now).where(*_mine(claim))
        return connection.execute(done.values(error=error)).rowcount == 1

    def retry(self, connection: Connection, claim: Claim, not_before: datetime, error: str) -> bool:
        """Put it back until then. False: the claim was lost meanwhile and nothing was changed."""
        put_back = (
            update(notifications)
            .where(notifications.c.id == claim.id, *_mine(claim))
            .values(
                status=NotificationStatus.PENDING.value,
                owner=None,
                lease_until=None,
                not_before=not_before,
                error=error,
            )
        )
        return connection.execute(put_back).rowcount == 1

    def outlook(self, connection: Connection) -> list[Waiting]:
        """When something is next to be done, for all channels in one small query; nothing waits, nothing is read."""
        earliest = func.min(func.coalesce(notifications.c.lease_until, notifications.c.not_before))
        query = (
            select(notifications.c.channel, notifications.c.owner, earliest.label("earliest"))
            .where(UNFINISHED, or_(notifications.c.status == NotificationStatus.SENDING.value, ~_is_off()))
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

    def release(self, connection: Connection, owners: Iterable[str], held: Iterable[int], now: datetime) -> int:
        """Free the claims of these (dead) owners and those whose lease is over, except the ones `held` by the caller.

        Returns how many. Whether such a message went out before its sender died, nobody can know: it is sent
        again, which is the one repeat that a kill may cost.
        """
        freed = (
            update(notifications)
            .where(
                UNFINISHED,
                notifications.c.status == NotificationStatus.SENDING.value,
                or_(notifications.c.owner.in_(list(owners)), notifications.c.lease_until <= now),
                notifications.c.id.not_in(list(held)),
            )
            .values(status=NotificationStatus.PENDING.value, owner=None, lease_until=None)
        )
        return connection.execute(freed).rowcount

    def of_alerts(self, connection: Connection, alert_ids: Iterable[int]) -> dict[int, list[Notification]]:
        """The notifications of these alerts, by alert, in the order in which they were enqueued."""
        found: dict[int, list[Notification]] = {}
        ids = list(alert_ids)
        wanted = [notifications.c[name] for name in Notification.__dataclass_fields__]
        for start in range(0, len(ids), CHUNK):
            query = select(*wanted).where(notifications.c.alert_id.in_(ids[start : start + CHUNK]))
            for row in connection.execute(query.order_by(notifications.c.id)):
                found.setdefault(row.alert_id, []).append(_notification(row))
        return found


def _is_off() -> ColumnElement[bool]:
    return exists().where(channels.c.channel == notifications.c.channel, channels.c.off_since.is_not(None))


def _is_pointless(row: Row[Any]) -> bool:
    if row.event == NotificationEvent.FIRING:
        return bool(row.alert_status == "resolved")
    return bool(row.firing_status != NotificationStatus.SENT)


def _mine(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    return (
        notifications.c.status == NotificationStatus.SENDING.value,
        notifications.c.owner == claim.owner,
        notifications.c.attempts == claim.attempts,
    )


def _finish(notification_id: int, status: NotificationStatus, now: datetime) -> Update:
    return (
        update(notifications)
        .where(notifications.c.id == notification_id)
        .values(status=status.value, owner=None, lease_until=None, finished_at=now)
    )


def _notification(row: Row[Any]) -> Notification:
    facts = {"event": NotificationEvent(row.event), "status": NotificationStatus(row.status)}
    return Notification(**{**row._mapping, **facts})
