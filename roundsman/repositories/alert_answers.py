"""What people answer to an alert: "I see to it", or "not now". Each answer is in the alert's log, with its author.

Taken alerts rise no further, and what they have told stays. A snooze ends by itself; if the alert is still open then,
those who were told of it are told again.
"""

from datetime import datetime
from enum import Enum, auto

from sqlalchemy import Connection, update

from roundsman.repositories.alert_log import AlertLog, LogEntry, LogEvent
from roundsman.repositories.alerts import OPEN, AlertRepository, AlertStatus
from roundsman.repositories.held import HeldRepository
from roundsman.repositories.notifications import HeldBy, Hold
from roundsman.repositories.tables import alerts


class Answered(Enum):
    """What came of an answer."""

    TAKEN = auto()
    OVER = auto()
    """The alert is resolved."""
    UNKNOWN = auto()
    """There is no such alert."""


class AlertAnswers:
    """Acknowledges and snoozes. Works in the caller's transaction."""

    def acknowledge(
        self, connection: Connection, alert_id: int, *, by: str, note: str | None, now: datetime
    ) -> Answered:
        """Somebody sees to it. Another one may take it over; the last answer counts."""
        detail = {"by": by, **({"note": note} if note else {})}
        return self._take(connection, alert_id, AlertStatus.ACKNOWLEDGED, by, None, LogEvent.ACKNOWLEDGED, detail, now)

    def snooze(
        self, connection: Connection, alert_id: int, *, by: str, until: datetime, note: str | None, now: datetime
    ) -> Answered:
        """Nobody else is called until then; if it still goes on, those who were told are told again."""
        detail = {"by": by, "until": until.isoformat(), **({"note": note} if note else {})}
        answered = self._take(connection, alert_id, AlertStatus.SNOOZED, by, until, LogEvent.SNOOZED, detail, now)
        if answered is Answered.TAKEN:
            HeldRepository().remind(connection, alert_id, Hold(HeldBy.SNOOZE, until, f"snoozed by {by}"), now)
        return answered

    def _take(
        self,
        connection: Connection,
        alert_id: int,
        status: AlertStatus,
        by: str,
        until: datetime | None,
        event: LogEvent,
        detail: dict[str, str],
        now: datetime,
    ) -> Answered:
        guarded = update(alerts).where(alerts.c.id == alert_id, OPEN).returning(alerts.c.level)
        row = connection.execute(guarded.values(status=status.value, taken_by=by, taken_until=until)).one_or_none()
        if row is None:
            return Answered.UNKNOWN if AlertRepository().find(connection, alert_id) is None else Answered.OVER
        AlertLog().add(connection, [LogEntry(alert_id, now, event, row.level, detail=detail)])
        return Answered.TAKEN
