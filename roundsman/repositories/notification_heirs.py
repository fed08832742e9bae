"""Changes that inherit: of each message one change waits at most, also when one that was in flight has to come back.

While a change is in flight, another may be made, as more has happened. If the first one then fails, or its sender dies,
it does not wait beside the second: that one tells everything anyway, and takes over for whom it is told.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, TextClause, exists, select, update

from roundsman.repositories.notifications import NotificationEvent, NotificationStatus
from roundsman.repositories.tables import notification_alerts, notifications


def heir_of(connection: Connection, notification_id: int) -> int | None:
    """The change that waits for the same message as this one, which is in flight: there is one at most."""
    mine = notifications.alias("mine")
    query = (
        select(notifications.c.id)
        .join(mine, (mine.c.alert_id == notifications.c.alert_id) & (mine.c.edits == notifications.c.edits))
        .where(mine.c.id == notification_id, notifications.c.status == NotificationStatus.PENDING.value)
        .with_for_update(of=notifications)
    )
    found: int | None = connection.execute(query).scalar()
    return found


def hand_on(
    connection: Connection, notification_id: int, heir: int, guards: Sequence[ColumnElement[bool] | TextClause]
) -> bool:
    """Let the change that waits tell what this one did not. False: this one is no longer ours."""
    values = {"status": NotificationStatus.CANCELLED.value, "owner": None, "lease_until": None}
    mine = update(notifications).where(notifications.c.id == notification_id, *guards)
    if connection.execute(mine.values(values)).rowcount != 1:
        return False
    members = notification_alerts
    connection.execute(update(members).where(members.c.notification_id == notification_id).values(notification_id=heir))
    ends = exists().where(members.c.notification_id == heir)
    resolved = update(notifications).where(notifications.c.id == heir, ends)
    connection.execute(resolved.values(event=NotificationEvent.RESOLVED.value))
    return True
