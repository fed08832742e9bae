"""Messages that are to show what has become of their open alerts: who sees to them, or until when they wait.

A change waits as a row of the outbox that names the message which it changes, just as an end does. It tells whatever is
true when it leaves, so one that still waits is joined instead of a second one being made, and an end makes it its own.
It is no news: it has no alerts of its own, is in nobody's log, and a channel that cannot edit hears nothing of it.

Of the messages about one alert on one channel the newest of each level is changed: who was told forty times of what
went on for days is not told forty times more that somebody sees to it.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from roundsman.repositories.statement import Statement

_CHANGE = Statement(
    """
    INSERT INTO notifications
      (alert_id, channel, event, level, rank, audience, is_digest, edits, status, not_before, created_at)
    SELECT n.alert_id, n.channel, 'changed', n.level, n.rank / 1000 * 1000 + 999, n.audience, n.is_digest, n.id,
      'pending', :now, :now
    FROM notifications AS n
    WHERE n.id IN (
        SELECT max(told.id)
        FROM notifications AS told JOIN notification_alerts AS m ON m.notification_id = told.id
        WHERE m.alert_id AMONG :answered AND NOT m.left_out
          AND told.status IN ('sent', 'sending') AND told.edits IS NULL
        GROUP BY m.alert_id, told.channel, told.level
      )
    ORDER BY n.id
    ON CONFLICT (edits) WHERE status = 'pending' AND edits IS NOT NULL DO UPDATE SET created_at = excluded.created_at
    """
)
"""Joining one that waits is an update and not nothing: it locks the row, so nobody sends it before this commits."""


class AlertChanges:
    """Enqueues changes. Works in the caller's transaction."""

    def tell(self, connection: Connection, alert_ids: Sequence[int], now: datetime) -> None:
        """Have what was told of these alerts show how they stand."""
        _CHANGE.run(connection, answered=list(alert_ids), now=now)
