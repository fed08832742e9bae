"""Alerts and the notifications that tell of them, written together or not at all.

At most one alert with a given fingerprint is open: a partial unique index says so, which holds across daemons and
kills, where a look before an insert would not. An alert and its notifications (one per channel) are rows of one
transaction, so that an alert nobody will be told about, or a message about an alert that does not exist, cannot
come to be. Everything is set-based: two hundred alerts of one round cost a few statements.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, func, literal, select, text, true, update

from roundsman.repositories.engine import upserting
from roundsman.repositories.notifications import UNFINISHED, NotificationEvent, NotificationStatus
from roundsman.repositories.tables import alerts, notifications

CHUNK = 500
"""Rows named in one statement; SQLite takes 32,766 variables, older builds 999."""

OPEN = text("alerts.status <> 'resolved'")
"""Spelled with a literal, as SQLite uses a partial index only when it can see its condition in the query."""


class Severity(StrEnum):
    """How bad it is, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


class AlertStatus(StrEnum):
    """Where an alert stands. Everything but RESOLVED is open."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class NewAlert:
    """What is needed to open an alert."""

    fingerprint: str
    kind: str
    severity: Severity
    level: int
    job: str | None
    labels: Mapping[str, str]
    annotations: Mapping[str, Any]
    since_at: datetime


@dataclass(frozen=True)
class Alert:
    """A stored alert. Times are aware UTC."""

    id: int
    fingerprint: str
    kind: str
    severity: Severity
    status: AlertStatus
    level: int
    job: str | None
    labels: Mapping[str, str]
    annotations: Mapping[str, Any]
    since_at: datetime
    opened_at: datetime
    resolved_at: datetime | None = None
    resolution: str | None = None

    @property
    def subject(self) -> str:
        """What the alert is about, such as a conversation's id."""
        return self.fingerprint.removeprefix(f"{self.kind}:")


@dataclass(frozen=True)
class Resolution:
    """Why an alert is over: one word or clause, and the facts that templates read."""

    text: str
    annotations: Mapping[str, Any] = field(default_factory=dict)


class AlertRepository:
    """Opens, resolves and lists alerts. Every method works in the caller's transaction."""

    def open_all(
        self, connection: Connection, drafts: Sequence[NewAlert], channels: Sequence[str], now: datetime
    ) -> set[str]:
        """Open those whose fingerprint is not open yet, with one notification per channel. Returns the opened ones."""
        if not drafts:
            return set()
        insert = upserting(connection)
        statement = (
            insert(alerts)
            .on_conflict_do_nothing(index_elements=[alerts.c.fingerprint], index_where=text("status <> 'resolved'"))
            .returning(alerts.c.id, alerts.c.fingerprint)
        )
        rows = [
            {
                "fingerprint": draft.fingerprint,
                "kind": draft.kind,
                "severity": draft.severity.value,
                "status": AlertStatus.FIRING.value,
                "level": draft.level,
                "job": draft.job,
                "labels": dict(draft.labels),
                "annotations": dict(draft.annotations),
                "since_at": draft.since_at,
                "opened_at": now,
            }
            for draft in sorted(drafts, key=lambda draft: draft.fingerprint)  # one order for all: no deadlock
        ]
        opened = connection.execute(statement, rows).all()
        since = {draft.fingerprint: draft.since_at for draft in drafts}
        pending = [  # who has waited longest is told of first
            {
                "alert_id": row.id,
                "channel": channel,
                "event": NotificationEvent.FIRING.value,
                "status": NotificationStatus.PENDING.value,
                "not_before": now,
                "created_at": now,
            }
            for row in sorted(opened, key=lambda row: (since[row.fingerprint], row.id))
            for channel in channels
        ]
        if pending:
            connection.execute(notifications.insert(), pending)
        return {row.fingerprint for row in opened}

    def resolve_all(self, connection: Connection, resolutions: Mapping[str, Resolution], now: datetime) -> set[str]:
        """Resolve those of these fingerprints that are open. Returns the ones that this call resolved.

        A firing notification that never left is cancelled; a channel that was told, or is being told at this
        moment, gets a `resolved` one. Whether the one in flight arrives decides about it later (see the claim).
        """
        resolved: set[str] = set()
        fingerprints = list(resolutions)
        for start in range(0, len(fingerprints), CHUNK):
            found = connection.execute(
                select(alerts.c.id, alerts.c.fingerprint, alerts.c.annotations)
                .where(alerts.c.fingerprint.in_(fingerprints[start : start + CHUNK]), OPEN)
                .order_by(alerts.c.id)
                .with_for_update()
            ).all()
            if found:
                self._resolve(connection, found, resolutions, now)
                resolved.update(row.fingerprint for row in found)
        return resolved

    def _resolve(
        self, connection: Connection, found: Sequence[Any], resolutions: Mapping[str, Resolution], now: datetime
    ) -> None:
        connection.execute(
            update(alerts)
            .where(alerts.c.id == bindparam("alert_id"), alerts.c.status != AlertStatus.RESOLVED.value)
            .values(
                status=AlertStatus.RESOLVED.value,
                resolved_at=now,
                resolution=bindparam("why"),
                annotations=bindparam("facts"),
            ),
            [
                {
                    "alert_id": row.id,
                    "why": resolutions[row.fingerprint].text,
                    "facts": {**row.annotations, **resolutions[row.fingerprint].annotations},
                }
                for row in found
            ],
        )
        ids = [row.id for row in found]
        firing = (notifications.c.alert_id.in_(ids), notifications.c.event == NotificationEvent.FIRING.value)
        # Pending after an attempt that left no error: its sender died, and perhaps the message went out. Whoever got
        # it must hear the end, so it counts as sent.
        pending = (*firing, notifications.c.status == NotificationStatus.PENDING.value)
        for condition, status in (
            (and_(notifications.c.attempts > 0, notifications.c.error.is_(None)), NotificationStatus.SENT),
            (true(), NotificationStatus.CANCELLED),
        ):
            connection.execute(
                update(notifications).where(*pending, condition).values(status=status.value, finished_at=now)
            )
        told = select(
            notifications.c.alert_id,
            notifications.c.channel,
            literal(NotificationEvent.RESOLVED.value),
            literal(NotificationStatus.PENDING.value),
            literal(now, type_=notifications.c.not_before.type),
            literal(now, type_=notifications.c.created_at.type),
        ).where(*firing, notifications.c.status.in_([NotificationStatus.SENT.value, NotificationStatus.SENDING.value]))
        columns = ["alert_id", "channel", "event", "status", "not_before", "created_at"]
        connection.execute(notifications.insert().from_select(columns, told))

    def open_of_kind(self, connection: Connection, kind: str) -> list[Alert]:
        """The open alerts of a kind, oldest first."""
        # Sorted here: asked to sort by id, SQLite would read all alerts ever instead of the index of open ones
        rows = connection.execute(select(alerts).where(alerts.c.kind == kind, OPEN))
        return sorted((_alert(row) for row in rows), key=lambda alert: alert.id)

    def find(self, connection: Connection, alert_id: int) -> Alert | None:
        """One alert by its id."""
        row = connection.execute(select(alerts).where(alerts.c.id == alert_id)).one_or_none()
        return None if row is None else _alert(row)

    def all_open(self, connection: Connection) -> list[Alert]:
        """The open alerts, newest first."""
        rows = connection.execute(select(alerts).where(OPEN))
        return sorted((_alert(row) for row in rows), key=lambda alert: (alert.opened_at, alert.id), reverse=True)

    def latest(self, connection: Connection, limit: int = 1000) -> list[Alert]:
        """Open and resolved alerts, newest first, at most `limit`."""
        query = select(alerts).order_by(alerts.c.opened_at.desc(), alerts.c.id.desc()).limit(limit)
        return [_alert(row) for row in connection.execute(query)]

    def count_open(self, connection: Connection) -> int:
        """How many alerts are open."""
        return connection.execute(select(func.count()).select_from(alerts).where(OPEN)).scalar_one()

    def prune(self, connection: Connection, before: datetime, *, limit: int) -> int:
        """Delete up to `limit` alerts resolved before that time, with their notifications; returns how many.

        One whose end is still to be told stays.
        """
        untold = select(notifications.c.alert_id).where(UNFINISHED)
        old = select(alerts.c.id).where(alerts.c.resolved_at < before, alerts.c.id.not_in(untold)).limit(limit)
        return connection.execute(alerts.delete().where(alerts.c.id.in_(old))).rowcount


def _alert(row: Row[Any]) -> Alert:
    return Alert(**{**row._mapping, "severity": Severity(row.severity), "status": AlertStatus(row.status)})
