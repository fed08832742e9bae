"""What people answer to an alert: "I see to it", "not now", "it is dealt with". Each answer is in the alert's log, with
its author.

Taken alerts rise no further, and what they have told stays. Whoever has one decides over it: another one's press on a
message of before changes nothing, but anybody may take it over, in so many words. A snooze ends by itself; if the alert
is still open then, those who were told of it are told again. Every answer changes the messages that were sent (see
`alert_changes`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

from sqlalchemy import Connection, select, update

from roundsman.repositories.alert_changes import AlertChanges
from roundsman.repositories.alert_ends import AlertEnds
from roundsman.repositories.alert_log import AlertLog, LogEntry, LogEvent
from roundsman.repositories.alerts import OPEN, Alert, AlertRepository, AlertStatus, Resolution
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
    SO_ALREADY = auto()
    """It was this person's, in just this way."""
    SOMEBODY_HAS_IT = auto()
    """Another one sees to it, and was not asked to be relieved."""


@dataclass(frozen=True)
class Author:
    """Who answers, and where."""

    name: str
    via: str | None = None
    """The service on which it was said; None: a command."""
    note: str | None = None


class AlertAnswers:
    """Answers alerts. Works in the caller's transaction."""

    def __init__(self) -> None:
        self._alerts = AlertRepository()
        self._changes = AlertChanges()
        self._ends = AlertEnds()
        self._log = AlertLog()

    def acknowledge(self, connection: Connection, alert_id: int, author: Author, now: datetime) -> Answered:
        """Somebody sees to it, whose nobody else's it is."""
        alert = self._locked(connection, alert_id)
        answered = _free_for(alert, author, now)
        if alert is None or answered is not Answered.TAKEN:
            return answered
        if alert.status is AlertStatus.ACKNOWLEDGED:
            return Answered.SO_ALREADY
        return self._take(connection, alert, AlertStatus.ACKNOWLEDGED, author, None, LogEvent.ACKNOWLEDGED, now)

    def claim(self, connection: Connection, alert_id: int, author: Author, now: datetime) -> Answered:
        """Somebody sees to it from now on, whoever did before."""
        alert = self._locked(connection, alert_id)
        if alert is None or alert.status is AlertStatus.RESOLVED:
            return Answered.UNKNOWN if alert is None else Answered.OVER
        if alert.status is AlertStatus.ACKNOWLEDGED and alert.taken_by == author.name:
            return Answered.SO_ALREADY
        before = {"from": alert.taken_by} if alert.is_taken(now) and alert.taken_by != author.name else {}
        return self._take(connection, alert, AlertStatus.ACKNOWLEDGED, author, None, LogEvent.CLAIMED, now, before)

    def snooze(
        self, connection: Connection, alert_id: int, author: Author, now: datetime, *, until: datetime
    ) -> Answered:
        """Nobody else is called until then; if it still goes on, those who were told are told again."""
        alert = self._locked(connection, alert_id)
        answered = _free_for(alert, author, now)
        if alert is None or answered is not Answered.TAKEN:
            return answered
        if alert.status is AlertStatus.SNOOZED and alert.taken_until == until:
            return Answered.SO_ALREADY
        hold = Hold(HeldBy.SNOOZE, until, f"snoozed by {author.name}")
        HeldRepository().remind(connection, alert_id, hold, now)
        return self._take(connection, alert, AlertStatus.SNOOZED, author, until, LogEvent.SNOOZED, now)

    def resolve(self, connection: Connection, alert_id: int, author: Author, now: datetime) -> Answered:
        """Somebody has dealt with it: it is over, although its condition may go on."""
        alert = self._locked(connection, alert_id)
        if alert is None or alert.status is AlertStatus.RESOLVED:
            return Answered.UNKNOWN if alert is None else Answered.OVER
        facts = {"resolved_by": author.name}
        self._ends.resolve_all(
            connection,
            {alert.fingerprint: Resolution(f"resolved by {author.name}", facts)},
            now,
            by=_detail(author),
        )
        return Answered.TAKEN

    def _locked(self, connection: Connection, alert_id: int) -> Alert | None:
        """The alert, which nobody else changes now."""
        connection.execute(select(alerts.c.id).where(alerts.c.id == alert_id).with_for_update(key_share=True))
        return self._alerts.find(connection, alert_id)

    def _take(
        self,
        connection: Connection,
        alert: Alert,
        status: AlertStatus,
        author: Author,
        until: datetime | None,
        event: LogEvent,
        now: datetime,
        detail: Mapping[str, Any] | None = None,
    ) -> Answered:
        guarded = update(alerts).where(alerts.c.id == alert.id, OPEN)
        values = {"status": status.value, "taken_by": author.name, "taken_until": until, "taken_at": now}
        if connection.execute(guarded.values(values)).rowcount != 1:
            return Answered.OVER
        known = {**_detail(author), **(detail or {}), **({"until": until.isoformat()} if until else {})}
        self._log.add(connection, [LogEntry(alert.id, now, event, alert.level, detail=known)])
        self._changes.tell(connection, [alert.id], now)
        return Answered.TAKEN


def _free_for(alert: Alert | None, author: Author, now: datetime) -> Answered:
    """TAKEN if it is this person's to decide."""
    if alert is None:
        return Answered.UNKNOWN
    if alert.status is AlertStatus.RESOLVED:
        return Answered.OVER
    return Answered.SOMEBODY_HAS_IT if alert.is_taken(now) and alert.taken_by != author.name else Answered.TAKEN


def _detail(author: Author) -> dict[str, Any]:
    known = {"by": author.name, "via": author.via, "note": author.note}
    return {name: value for name, value in known.items() if value is not None}
