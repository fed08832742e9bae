"""Ends that nobody was to hear of after all: of a message that was to be repeated when what it tells of ended.

Its sender had died with it, so perhaps it went out. It is not repeated, as it is over, and whoever got it hears that.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from roundsman.repositories.notifications import NotificationEvent, NotificationStatus
from roundsman.repositories.tables import notification_alerts, notifications


def add_change(connection: Connection, told: Row[Any], over: Sequence[int], now: datetime) -> None:
    """Let a change of this message wait that tells of the end of these alerts, as far as none tells of it yet."""
    members = notification_alerts
    mine = select(members.c.alert_id, members.c.copy).where(members.c.notification_id == told.id)
    copies = {row.alert_id: row.copy for row in connection.execute(mine.where(members.c.alert_id.in_(over)))}
    known = select(members.c.alert_id, members.c.copy).where(
        members.c.alert_id.in_(over),
        members.c.channel == told.channel,
        members.c.event == NotificationEvent.RESOLVED.value,
        members.c.level == told.level,
    )
    untold = set(copies.items()) - {(row.alert_id, row.copy) for row in connection.execute(known)}
    if not untold:
        return
    waits = notifications.c.status == NotificationStatus.PENDING.value
    query = select(notifications.c.id).where(notifications.c.edits == told.id, waits).with_for_update()
    number = connection.execute(query).scalar_one_or_none() or _insert(connection, told, now)
    rows = [
        {"notification_id": number, "alert_id": each, "channel": told.channel, "level": told.level,
         "event": NotificationEvent.RESOLVED.value, "copy": copy}
        for each, copy in sorted(untold)
    ]  # fmt: skip
    connection.execute(members.insert(), rows)


def _insert(connection: Connection, told: Row[Any], now: datetime) -> int:
    kept = ("alert_id", "channel", "level", "audience", "is_digest")
    values = {name: told._mapping[name] for name in kept} | {
        "event": NotificationEvent.RESOLVED.value,
        "rank": told.rank // 1000 * 1000 + 999,
        "edits": told.id,
        "status": NotificationStatus.PENDING.value,
        "not_before": now,
        "created_at": now,
    }
    insert = notifications.insert().values(values).returning(notifications.c.id)
    number: int = connection.execute(insert).scalar_one()
    return number
