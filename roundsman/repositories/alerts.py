"""Alerts: what is wrong, since when, how bad, and up to whom it has risen.

At most one alert with a given fingerprint is open: a partial unique index says so, which holds across daemons and
kills, where a look before an insert would not. Whoever opens, raises or resolves alerts enqueues what is to be told of
it in the same transaction, so that an alert nobody will be told about, or a message about an alert that does not exist,
cannot come to be. Everything is set-based: two hundred alerts of one round cost a few statements.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Row, exists, func, or_, select, text

from roundsman.repositories.engine import upserting
from roundsman.repositories.notifications import UNFINISHED
from roundsman.repositories.rows import UpdateRows
from roundsman.repositories.tables import alerts, notification_alerts, notifications

CHUNK = 500
"""Rows named in one statement; SQLite takes 32,766 variables, older builds 999."""

OPEN = text("alerts.status <> 'resolved'")
"""Spelled with a literal, as SQLite uses a partial index only when it can see its condition in the query."""

_RAISE = UpdateRows(
    alerts,
    ["id"],
    ["level", "severity", "annotations", "facts_at"],
    fixed="status = 'firing', taken_by = NULL, taken_until = NULL, taken_at = NULL",  # a snooze that is over
    where="status <> 'resolved'",
)


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
    facts_at: datetime | None = None
    """When the annotations were last written, if that was after the opening."""
    taken_by: str | None = None
    """Who acknowledged or snoozed it."""
    taken_until: datetime | None = None
    """Of a snooze: from then on it is firing again."""
    taken_at: datetime | None = None
    rise_at: datetime | None = None
    """When it rises by its route, unless somebody has taken it."""
    rise_to: int | None = None
    """The level that it reaches then; None: nobody is left who could be told."""

    def is_taken(self, now: datetime) -> bool:
        """Whether somebody sees to it, so that nobody else need be called."""
        if self.status is AlertStatus.SNOOZED:
            return self.taken_until is None or self.taken_until > now
        return self.status is AlertStatus.ACKNOWLEDGED

    @property
    def subject(self) -> str:
        """What the alert is about, such as a conversation's id."""
        return self.fingerprint.removeprefix(f"{self.kind}:")


LET_ALONE = "let_alone"
"""The fact that an alert is over although nothing has become better: a page or a job is watched no more."""


@dataclass(frozen=True)
class Resolution:
    """Why an alert is over: one word or clause, and the facts that templates read."""

    text: str
    annotations: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def let_alone(cls, text: str) -> Self:
        """Nothing is known to work again."""
        return cls(text, {LET_ALONE: True})


@dataclass(frozen=True)
class Rise:
    """What an open alert becomes when it rises to a higher level."""

    level: int
    severity: Severity | None = None
    """None: as bad as it was."""
    annotations: Mapping[str, Any] = field(default_factory=dict)
    """Facts that are new or have changed; with any of them, all that grow with time have to be given anew."""


class AlertRepository:
    """Opens, raises and lists alerts. Every method works in the caller's transaction."""

    def open_all(self, connection: Connection, drafts: Sequence[NewAlert], now: datetime) -> dict[str, int]:
        """Open those whose fingerprint is not open yet. Returns the ids of the opened ones."""
        if not drafts:
            return {}
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
        return {row.fingerprint: row.id for row in connection.execute(statement, rows)}

    def lock_open(self, connection: Connection, fingerprints: Iterable[str]) -> list[Alert]:
        """Those of these fingerprints that are open, in the order of their ids; nobody else changes them now."""
        found: list[Alert] = []
        names = list(fingerprints)
        for start in range(0, len(names), CHUNK):
            query = select(alerts).where(alerts.c.fingerprint.in_(names[start : start + CHUNK]), OPEN)
            # Weak enough (NO KEY) that whoever holds a message about the alert can still write to its log
            rows = connection.execute(query.order_by(alerts.c.id).with_for_update(key_share=True))
            found += map(_alert, rows)
        return found

    def raise_all(
        self, connection: Connection, rises: Mapping[int, Rise], locked: Mapping[int, Alert], now: datetime
    ) -> None:
        """Raise these alerts, which the caller has locked and found to be lower and not taken."""
        _RAISE.execute(
            connection,
            [
                (
                    number,
                    rise.level,
                    (rise.severity or locked[number].severity).value,
                    {**locked[number].annotations, **rise.annotations},
                    now if rise.annotations else locked[number].facts_at,
                )
                for number, rise in rises.items()
            ],
        )

    def note_all(self, connection: Connection, notes: Mapping[str, Mapping[str, Any]], now: datetime) -> None:
        """Add these facts to open alerts, by fingerprint; how they stand is left as it is."""
        for alert in self.lock_open(connection, notes):
            facts = {**alert.annotations, **notes[alert.fingerprint]}
            connection.execute(
                alerts.update().where(alerts.c.id == alert.id, OPEN).values(annotations=facts, facts_at=now)
            )

    def open_of_kind(self, connection: Connection, kind: str) -> list[Alert]:
        """The open alerts of a kind, oldest first."""
        # Sorted here: asked to sort by id, SQLite would read all alerts ever instead of the index of open ones
        rows = connection.execute(select(alerts).where(alerts.c.kind == kind, OPEN))
        return sorted((_alert(row) for row in rows), key=lambda alert: alert.id)

    def open_kinds(self, connection: Connection) -> list[str]:
        """The kinds of which an alert is open."""
        return list(connection.execute(select(alerts.c.kind).distinct().where(OPEN)).scalars())

    def find(self, connection: Connection, alert_id: int) -> Alert | None:
        """One alert by its id."""
        return next(iter(self.find_all(connection, [alert_id])), None)

    def find_all(self, connection: Connection, alert_ids: Iterable[int]) -> list[Alert]:
        """These alerts, those that have lasted longest first."""
        found: list[Alert] = []
        ids = list(alert_ids)
        for start in range(0, len(ids), CHUNK):
            found += map(_alert, connection.execute(select(alerts).where(alerts.c.id.in_(ids[start : start + CHUNK]))))
        return sorted(found, key=lambda alert: (alert.since_at, alert.id))

    def of_fingerprint(self, connection: Connection, fingerprint: str) -> list[Alert]:
        """Every alert that there was about one thing, oldest first."""
        rows = connection.execute(select(alerts).where(alerts.c.fingerprint == fingerprint).order_by(alerts.c.id))
        return [_alert(row) for row in rows]

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

        One whose end is still to be told stays, and with it all that a digest tells of together with it.
        """
        mine, beside, other = notification_alerts, notification_alerts.alias("beside"), alerts.alias("other")
        needed = exists().where(
            mine.c.alert_id == alerts.c.id,
            beside.c.notification_id == mine.c.notification_id,
            other.c.id == beside.c.alert_id,
            or_(other.c.resolved_at.is_(None), other.c.resolved_at >= before, _untold(other.c.id)),
        )
        old = select(alerts.c.id).where(alerts.c.resolved_at < before, ~needed).limit(limit)
        return connection.execute(alerts.delete().where(alerts.c.id.in_(old))).rowcount


def _untold(alert_id: ColumnElement[int]) -> ColumnElement[bool]:
    theirs = notification_alerts.alias("theirs")
    return exists().where(notifications.c.id == theirs.c.notification_id, theirs.c.alert_id == alert_id, UNFINISHED)


def _alert(row: Row[Any]) -> Alert:
    return Alert(**{**row._mapping, "severity": Severity(row.severity), "status": AlertStatus(row.status)})
