"""What the store knows to stand on the channels, for whoever looks for a message that nobody recorded.

A process died while it was sending, and its service has no history that a program may read. What was recorded narrows
down where the message can stand: not where another one stands, and not before what stood there when it was made.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from roundsman.repositories.notifications import NotificationStatus
from roundsman.repositories.tables import notifications

MOST = 100
"""Of the channel, and of all together: what is looked for was sent in the last moments of a process."""


class KnownReceipt(NamedTuple):
    """The receipt of a message."""

    receipt: Mapping[str, Any]
    is_earlier: bool
    """It stood there before the one that is looked for was made."""


def known_receipts(connection: Connection, channel: str, number: int, made_at: datetime) -> tuple[KnownReceipt, ...]:
    """The newest receipts of the channel, which in a storm are far older than those of faster ones; and of all
    channels, as several of them may lead to one chat. The newest first.

    What is looked for has this number in the outbox, and was made then.
    """
    is_sent = (notifications.c.status == NotificationStatus.SENT.value) & notifications.c.receipt.is_not(None)
    newest = select(notifications.c.id).where(is_sent).order_by(notifications.c.id.desc()).limit(MOST)
    ids = {
        each
        for query in (newest, newest.where(notifications.c.channel == channel))
        for each in connection.execute(query).scalars()
    }
    query = (
        select(notifications.c.id, notifications.c.receipt, notifications.c.finished_at)
        .where(notifications.c.id.in_(ids))
        .order_by(notifications.c.id.desc())
    )
    rows = connection.execute(query).all()
    # By its number as well as by the time, as the clock may have been ahead when the message was made. A message that
    # took the place of another has given its receipt to the row of that one, whose time is older
    later = [row.receipt for row in rows if row.id > number or row.finished_at is None or row.finished_at >= made_at]
    return tuple(KnownReceipt(row.receipt, row.receipt not in later) for row in rows)
