"""Whether a waiting notification still has something to say at the moment when it could leave."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, exists, or_, select

from roundsman.repositories.alert_ends import UNTOLD
from roundsman.repositories.notifications import NotificationEvent, NotificationStatus
from roundsman.repositories.tables import alerts, notification_alerts, notifications

TARGET_UNTOLD = "nobody was told of what is over"
CAME_TRUE = "what it warns of has come true, which another message tells"
NOT_SHOWN = "there is nothing to be changed by it"
ONE_REPLY = "this channel cannot edit: one reply follows when all of the digest are over"
REPLIED_ABOVE = "this channel cannot edit: the reply to a later message tells the end"


@dataclass(frozen=True)
class Member:
    """An alert that a message was made to tell of."""

    alert_id: int
    is_open: bool
    has_risen: bool
    """Above the level that the message tells of."""
    left_out: bool
    copy: int
    """The how manieth message about this news on its channel."""


def members_of(connection: Connection, notification_id: int) -> list[Member]:
    """What a message is about; those that have lasted longest first."""
    mine = notification_alerts
    query = (
        select(
            mine.c.alert_id, mine.c.left_out, mine.c.level, mine.c.copy, alerts.c.status,
            alerts.c.level.label("alert_level"),
        )
        .join(alerts, alerts.c.id == mine.c.alert_id)
        .where(mine.c.notification_id == notification_id)
        .order_by(alerts.c.since_at, alerts.c.id)
    )  # fmt: skip
    return [
        Member(row.alert_id, row.status != "resolved", row.alert_level > row.level, row.left_out, row.copy)
        for row in connection.execute(query)
    ]


def is_news(event: NotificationEvent, member: Member) -> bool:
    """Whether there is still something to alarm about."""
    return member.is_open and not (event is NotificationEvent.WARNING and member.has_risen)


def why_pointless(connection: Connection, row: Row[Any], members: list[Member], can_edit: bool) -> str | None:
    """Why a notification need not be sent any more, or None. `members`: of it, or of the message that it changes."""
    event = NotificationEvent(row.event)
    if not event.is_change:
        if any(is_news(event, each) for each in members):
            return None
        return CAME_TRUE if any(each.is_open for each in members) else UNTOLD
    if row.told_status != NotificationStatus.SENT:
        return TARGET_UNTOLD
    if event is NotificationEvent.CHANGED:
        can_show = can_edit and row.told_receipt is not None  # else it would come as one more message
        return None if can_show and any(each.is_open for each in members) else NOT_SHOWN
    if can_edit:
        return None
    shown = [each for each in members if not each.left_out]
    if any(each.is_open for each in shown):
        return ONE_REPLY
    return REPLIED_ABOVE if _all_replied_above(connection, row, shown) else None


def _all_replied_above(connection: Connection, row: Row[Any], shown: list[Member]) -> bool:
    """Whether the end of each of them is told, or will be, in reply to a message of a higher level, or a later one."""
    higher = notification_alerts
    last = max((each.copy for each in shown), default=0)
    covered = (
        select(higher.c.alert_id)
        .join(notifications, notifications.c.id == higher.c.notification_id)
        .where(
            higher.c.alert_id.in_([each.alert_id for each in shown]),
            higher.c.channel == row.channel,
            higher.c.event == NotificationEvent.RESOLVED.value,
            or_(higher.c.level > row.level, (higher.c.level == row.level) & (higher.c.copy > last)),
            notifications.c.status.not_in([NotificationStatus.CANCELLED.value, NotificationStatus.FAILED.value]),
            exists().where(  # of what was told; else it is about to be cancelled
                (told := notifications.alias("told")).c.id == notifications.c.edits,
                told.c.status.in_([NotificationStatus.SENT.value, NotificationStatus.SENDING.value]),
            ),
        )
    )
    return {each.alert_id for each in shown} <= set(connection.execute(covered).scalars())
