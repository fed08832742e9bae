"""Ends of alerts, and to whom they are told.

What never left is cancelled; each message that was sent, or is being sent at this moment, is changed to say what has
become of it. Whether the one in flight arrives decides about that later (see the claim). A digest is changed for many
alerts that end one after another, so a change that still waits is joined instead of a second one being made.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from roundsman.repositories.alert_log import AlertLog, LogEntry, LogEvent
from roundsman.repositories.alerts import Alert, AlertRepository, AlertStatus, Resolution
from roundsman.repositories.rows import UpdateRows
from roundsman.repositories.statement import Statement
from roundsman.repositories.tables import alerts

UNTOLD = "it was over before it was told"

_RESOLVE = UpdateRows(
    alerts,
    ["id"],
    ["resolved_at", "resolution", "annotations"],
    fixed=f"status = '{AlertStatus.RESOLVED}'",
    where="status <> 'resolved'",
)

_LOCK_UNSENT = Statement(
    """
    SELECT id FROM notifications
    WHERE id IN (SELECT notification_id FROM notification_alerts WHERE alert_id AMONG :ended)
      AND status IN ('held', 'pending') AND edits IS NULL
    ORDER BY id
    FOR UPDATE
    """
)
"""Somebody may be making one message of several at this moment: what is in it is looked at after that."""

_UNSENT = Statement(
    """
    SELECT n.id, n.channel, n.level, n.maybe_sent, m.alert_id
    FROM notifications AS n JOIN notification_alerts AS m ON m.notification_id = n.id
    WHERE n.id IN (SELECT notification_id FROM notification_alerts WHERE alert_id AMONG :ended)
      AND n.status IN ('held', 'pending') AND n.edits IS NULL
      AND NOT EXISTS (
        SELECT 1 FROM notification_alerts AS other JOIN alerts AS a ON a.id = other.alert_id
        WHERE other.notification_id = n.id AND a.status <> 'resolved'
      )
    ORDER BY n.id, m.alert_id
    """
)
"""Messages that have nobody left to tell of. A digest with somebody left goes out without those that are over."""


class _Unsent(NamedTuple):
    """A row of it."""

    id: int
    channel: str
    level: int
    maybe_sent: bool
    alert_id: int


_FINISH = Statement(
    """
    UPDATE notifications SET status = :status, finished_at = :now
    WHERE id AMONG :unsent AND status IN ('held', 'pending')
    RETURNING id
    """
)

_CHANGE = Statement(
    """
    INSERT INTO notifications
      (alert_id, channel, event, level, rank, audience, is_digest, edits, status, not_before, created_at)
    SELECT n.alert_id, n.channel, 'resolved', n.level, n.rank / 1000 * 1000 + 999, n.audience, n.is_digest, n.id,
      'pending', :now, :now
    FROM notifications AS n
    WHERE n.id IN (SELECT notification_id FROM notification_alerts WHERE alert_id AMONG :ended AND NOT left_out)
      AND n.status IN ('sent', 'sending') AND n.edits IS NULL
    ORDER BY n.id
    ON CONFLICT (edits) WHERE status = 'pending' AND edits IS NOT NULL
      DO UPDATE SET created_at = excluded.created_at, event = excluded.event, rank = excluded.rank
    """
)
"""Joining one that waits is an update and not nothing: it locks the row, so nobody sends it before this commits.
One that was to show an answer tells the end instead."""

_CHANGED_FOR = Statement(
    """
    INSERT INTO notification_alerts (notification_id, alert_id, channel, event, level, copy)
    SELECT n.id, m.alert_id, m.channel, 'resolved', m.level, m.copy
    FROM notification_alerts AS m
    JOIN notifications AS n ON n.edits = m.notification_id AND n.status = 'pending' AND n.edits IS NOT NULL
    WHERE m.alert_id AMONG :ended AND m.event <> 'resolved' AND NOT m.left_out
    ORDER BY n.id, m.alert_id
    """
)


_UNMUTE = Statement(
    """
    UPDATE notifications SET not_before = :now
    WHERE status = 'held' AND held_ref IS NOT NULL AND held_ref AMONG :ended AND held_by = 'inhibition'
    """
)
"""What these alerts have muted is looked at again now; perhaps another one mutes it as well."""


class AlertEnds:
    """Resolves alerts. Works in the caller's transaction."""

    def __init__(self) -> None:
        self._alerts = AlertRepository()
        self._log = AlertLog()

    def resolve_all(
        self,
        connection: Connection,
        resolutions: Mapping[str, Resolution],
        now: datetime,
        by: Mapping[str, Any] | None = None,
    ) -> set[str]:
        """Resolve those of these fingerprints that are open. Returns the ones that this call resolved.

        `by`: for the log, who did so by hand.
        """
        found = self._alerts.lock_open(connection, resolutions)
        if not found:
            return set()
        self._resolve(connection, found, resolutions, now, by or {})
        ended = [alert.id for alert in found]
        self._cancel_unsent(connection, ended, now)
        _CHANGE.run(connection, ended=ended, now=now)
        _CHANGED_FOR.run(connection, ended=ended)
        _UNMUTE.run(connection, ended=ended, now=now)
        return {alert.fingerprint for alert in found}

    def _resolve(
        self,
        connection: Connection,
        found: Sequence[Alert],
        resolutions: Mapping[str, Resolution],
        now: datetime,
        by: Mapping[str, Any],
    ) -> None:
        reasons = [(alert, resolutions[alert.fingerprint]) for alert in found]
        _RESOLVE.execute(
            connection,
            [(alert.id, now, reason.text, {**alert.annotations, **reason.annotations}) for alert, reason in reasons],
        )
        self._log.add(
            connection,
            [
                LogEntry(alert.id, now, LogEvent.RESOLVED, alert.level, detail={"reason": reason.text, **by})
                for alert, reason in reasons
            ],
        )

    def _cancel_unsent(self, connection: Connection, ended: list[int], now: datetime) -> None:
        """Cancel what tells of nothing that goes on. Where a sender died with it, perhaps the message went out: whoever
        got it must hear the end, so it counts as sent."""
        _LOCK_UNSENT.run(connection, ended=ended)
        rows = [_Unsent._make(row) for row in _UNSENT.run(connection, ended=ended)]
        perhaps = sorted({row.id for row in rows if row.maybe_sent})
        never = sorted({row.id for row in rows} - set(perhaps))
        if perhaps:
            _FINISH.run(connection, unsent=perhaps, status="sent", now=now)
        if never:
            done = {number for (number,) in _FINISH.run(connection, unsent=never, status="cancelled", now=now)}
            self._log.add(connection, [_cancelled(row, now) for row in rows if row.id in done])


def _cancelled(row: _Unsent, now: datetime) -> LogEntry:
    return LogEntry(row.alert_id, now, LogEvent.CANCELLED, row.level, row.channel, {"reason": UNTOLD})
