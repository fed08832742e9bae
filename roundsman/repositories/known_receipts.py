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
"""What is looked for was sent in the last moments of a process, so the newest are enough."""


class KnownReceipt(NamedTuple):
    """The receipt of a message."""

    receipt: Mapping[str, Any]
    is_earlier: bool
    """It stood there before the one that is looked for was made."""


def known_receipts(connection: Connection, made_at: datetime) -> tuple[KnownReceipt, ...]:
    """The newest receipts of all channels, as several of them may lead to one chat; the newest first."""
    sent = notifications.c.status == NotificationStatus.SENT.value
    query = (
        select(notifications.c.receipt, notifications.c.finished_at)
        .where(sent, notifications.c.receipt.is_not(None))
        .order_by(notifications.c.id.desc())
        .limit(MOST)
    )
    rows = connection.execute(query).all()
    # A message that took the place of another has given its receipt to the row of that one, whose time is older
    later = [row.receipt for row in rows if row.finished_at is None or row.finished_at >= made_at]
    return tuple(KnownReceipt(row.receipt, row.receipt not in later) for row in rows)
