"""The book of alerts: where a job reports what is wrong and what is right again.

    with book.transaction("conversation_monitor") as desk:
        ...                                # may write other things through desk.connection
        desk.fire(Condition(...))
        desk.resolve("conversation_unreplied:123", "answered", answered_by="Lan")

All of it is one transaction, and the senders are woken only after its commit: woken earlier they would find
nothing, and an alert of a transaction that failed would have been told.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

from sqlalchemy import Connection

from roundsman.clock import Clock
from roundsman.repositories.alerts import Alert, AlertRepository, NewAlert, Resolution, Severity
from roundsman.repositories.engine import Store


@dataclass(frozen=True)
class Condition:
    """What a job reports to be wrong."""

    kind: str
    """What sort of trouble, such as `conversation_unreplied`; templates are chosen by it. Without a colon."""
    subject: str
    """What has it, such as a conversation's id."""
    severity: Severity
    since: datetime
    """When the condition began, aware."""
    labels: Mapping[str, str]
    """Names to find it by; they become journal fields."""
    annotations: Mapping[str, Any]
    """Facts that the templates read, as JSON. No telephone numbers: messages go to group chats."""
    level: int = 1

    @property
    def fingerprint(self) -> str:
        """At most one alert with the same fingerprint is open."""
        return f"{self.kind}:{self.subject}"


class Fired(Enum):
    """What came of reporting a condition."""

    OPENED = auto()
    STILL_OPEN = auto()


class Resolved(Enum):
    """What came of reporting that a condition is over."""

    RESOLVED = auto()
    NOT_OPEN = auto()


class AlertDesk:
    """The book within one transaction."""

    def __init__(self, connection: Connection, job: str, channels: Sequence[str], now: datetime) -> None:
        self.connection = connection
        self.changed = False
        """True once something was opened or resolved, so that there may be something to send."""
        self._job = job
        self._channels = channels
        self._now = now
        self._alerts = AlertRepository()

    def fire(self, condition: Condition) -> Fired:
        """Report one condition. The first report opens an alert and enqueues a message on every channel."""
        return self.fire_all([condition])[condition.fingerprint]

    def fire_all(self, conditions: Sequence[Condition]) -> dict[str, Fired]:
        """Report many conditions at the cost of a few statements. Answers by fingerprint."""
        drafts = [
            NewAlert(
                fingerprint=condition.fingerprint,
                kind=condition.kind,
                severity=condition.severity,
                level=condition.level,
                job=self._job,
                labels=condition.labels,
                annotations=condition.annotations,
                since_at=condition.since,
            )
            for condition in conditions
        ]
        opened = self._alerts.open_all(self.connection, drafts, self._channels, self._now)
        self.changed = self.changed or bool(opened)
        return {
            draft.fingerprint: Fired.OPENED if draft.fingerprint in opened else Fired.STILL_OPEN for draft in drafts
        }

    def resolve(self, fingerprint: str, resolution: str, **annotations: str | int | float | None) -> Resolved:
        """Report that a condition is over. Whoever was told of it is told of its end."""
        answers = self.resolve_all({fingerprint: Resolution(resolution, annotations)})
        return answers[fingerprint]

    def resolve_all(self, resolutions: Mapping[str, Resolution]) -> dict[str, Resolved]:
        """Report the end of many conditions, by fingerprint."""
        done = self._alerts.resolve_all(self.connection, resolutions, self._now)
        self.changed = self.changed or bool(done)
        return {name: Resolved.RESOLVED if name in done else Resolved.NOT_OPEN for name in resolutions}

    def open_subjects(self, kind: str) -> dict[str, Alert]:
        """The open alerts of a kind, by subject."""
        return {alert.subject: alert for alert in self._alerts.open_of_kind(self.connection, kind)}


class AlertBook:
    """Opens transactions on the alerts for jobs, and wakes the sender after those that changed something."""

    def __init__(self, store: Store, clock: Clock, channels: Sequence[str], wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._channels = tuple(channels)
        self._wake = wake

    def replace(self, channels: Sequence[str]) -> None:
        """From now on alerts are told on these channels (settings were reloaded)."""
        self._channels = tuple(channels)

    @contextmanager
    def transaction(self, job: str) -> Iterator[AlertDesk]:
        """One transaction of the store, for the named job. Raises StoreError; then nothing of it exists."""
        with self._store.write() as connection:
            desk = AlertDesk(connection, job, self._channels, self._clock.now())
            yield desk
        if desk.changed:
            self._wake()
