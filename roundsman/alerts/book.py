"""The book of alerts: where a job reports what is wrong, what gets worse, and what is right again.

    with book.transaction("conversation_monitor") as desk:
        ...                                # may write other things through desk.connection
        desk.fire(Condition(...))
        desk.escalate(Escalation("conversation_unreplied:123", level=2, audience=Audience("Sales")))
        desk.resolve("conversation_unreplied:123", "answered", answered_by="Lan")

All of it is one transaction. What is to be told of it is decided at its end, when it is known how much that is for each
team, and the senders are woken only after its commit: woken earlier they would find nothing, and an alert of a
transaction that failed would have been told.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from roundsman.alerts.condition import Condition as Condition  # jobs find it beside the book
from roundsman.alerts.condition import Escalated as Escalated
from roundsman.alerts.condition import Escalation as Escalation
from roundsman.alerts.condition import Fired as Fired
from roundsman.alerts.condition import Resolved as Resolved
from roundsman.alerts.news import News
from roundsman.alerts.pipeline import Pipeline
from roundsman.alerts.rules.route import Rules
from roundsman.clock import Clock
from roundsman.repositories.alert_ends import AlertEnds
from roundsman.repositories.alert_log import LogEvent
from roundsman.repositories.alerts import Alert, AlertRepository, NewAlert, Resolution, Rise
from roundsman.repositories.engine import Store

NO_RULES = Rules()
"""But for those that are always there."""


class AlertDesk:
    """The book within one transaction."""

    def __init__(self, connection: Connection, job: str, pipeline: Pipeline, now: datetime) -> None:
        self.connection = connection
        self.changed = False
        """True once something was opened, raised or resolved, so that there may be something to send."""
        self._job = job
        self._pipeline = pipeline
        self._now = now
        self._alerts = AlertRepository()
        self._untold: list[tuple[News, LogEvent]] = []

    def fire(self, condition: Condition) -> Fired:
        """Report one condition. The first report opens an alert and tells its audience."""
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
        opened = self._alerts.open_all(self.connection, drafts, self._now)
        first = {condition.fingerprint: condition for condition in reversed(conditions)}
        for fingerprint, number in opened.items():
            told = first[fingerprint]
            news = News(
                number, told.kind, told.severity, told.level, told.since, told.audience,
                subject=told.subject, job=self._job, labels=told.labels, unanswered_after=told.unanswered_after,
            )  # fmt: skip
            self._untold.append((news, LogEvent.OPENED if told.level > 0 else LogEvent.WARNED))
        return {
            draft.fingerprint: Fired.OPENED if draft.fingerprint in opened else Fired.STILL_OPEN for draft in drafts
        }

    def escalate(self, escalation: Escalation) -> Escalated:
        """Report that an open condition has become worse. Each level is told once."""
        return self.escalate_all([escalation])[escalation.fingerprint]

    def escalate_all(self, escalations: Sequence[Escalation]) -> dict[str, Escalated]:
        """Report many. Answers by fingerprint; of several for one alert the highest counts."""
        wanted: dict[str, Escalation] = {}
        for each in escalations:
            if each.fingerprint not in wanted or each.level > wanted[each.fingerprint].level:
                wanted[each.fingerprint] = each
        found = {alert.fingerprint: alert for alert in self._alerts.lock_open(self.connection, wanted)}
        answers = {name: _judged(found.get(name), each, self._now) for name, each in wanted.items()}
        rising = [(found[name], wanted[name]) for name, answer in answers.items() if answer is Escalated.RAISED]
        self._alerts.raise_all(
            self.connection,
            {alert.id: Rise(each.level, each.severity, each.annotations) for alert, each in rising},
            {alert.id: alert for alert, _ in rising},
            self._now,
        )
        for alert, each in rising:
            risen = replace(alert, severity=each.severity or alert.severity)
            news = replace(News.of(risen, each.level, each.audience), unanswered_after=each.unanswered_after)
            self._untold.append((news, LogEvent.ESCALATED))
        return answers

    def note_all(self, notes: Mapping[str, Mapping[str, Any]]) -> None:
        """Facts of open alerts that have changed and are no news, by fingerprint: nobody is told of them now."""
        self._alerts.note_all(self.connection, notes, self._now)

    def resolve(self, fingerprint: str, resolution: str, **annotations: str | int | float | None) -> Resolved:
        """Report that a condition is over. Whoever was told of it is told of its end."""
        answers = self.resolve_all({fingerprint: Resolution(resolution, annotations)})
        return answers[fingerprint]

    def resolve_all(self, resolutions: Mapping[str, Resolution]) -> dict[str, Resolved]:
        """Report the end of many conditions, by fingerprint."""
        self.enqueue()  # what was opened a moment ago has messages to cancel
        done = AlertEnds().resolve_all(self.connection, resolutions, self._now)
        self.changed = self.changed or bool(done)
        return {name: Resolved.RESOLVED if name in done else Resolved.NOT_OPEN for name in resolutions}

    def open_subjects(self, kind: str) -> dict[str, Alert]:
        """The open alerts of a kind, by subject."""
        return {alert.subject: alert for alert in self._alerts.open_of_kind(self.connection, kind)}

    def enqueue(self) -> None:
        """Enqueue what is to be told so far. The book does it at the end of the transaction."""
        untold, self._untold = self._untold, []
        if not untold:
            return
        self.changed = True
        self._pipeline.send(self.connection, untold, self._now)

    def fold(self, limit: int) -> int:
        """Make digests of what crowds a channel. Returns how many messages went into them."""
        return self._pipeline.fold(self.connection, limit, self._now)

    def rehome(self, limit: int) -> int:
        """Send what waits for channels that are gone to others. Returns how many messages that were."""
        found = self._pipeline.rehome(self.connection, self._now, limit)
        self.changed = self.changed or bool(found)
        return found

    def release(self, limit: int) -> int:
        """Look at held messages whose time has come. Returns how many there were."""
        found = self._pipeline.release(self.connection, self._now, limit)
        self.changed = self.changed or bool(found)
        return found


def _judged(alert: Alert | None, escalation: Escalation, now: datetime) -> Escalated:
    if alert is None:
        return Escalated.NOT_OPEN
    if alert.level >= escalation.level:
        return Escalated.ALREADY_TOLD
    return Escalated.TAKEN if alert.is_taken(now) else Escalated.RAISED


class AlertBook:
    """Opens transactions on the alerts for jobs, and wakes the sender after those that changed something."""

    def __init__(
        self, store: Store, clock: Clock, channels: Sequence[str], wake: Callable[[], None], rules: Rules = NO_RULES
    ) -> None:
        self._store = store
        self._clock = clock
        self._pipeline = Pipeline(rules, channels)
        self._wake = wake

    @property
    def rules(self) -> Rules:
        """Those in force."""
        return self._pipeline.rules

    def is_any_homeless(self, connection: Connection) -> bool:
        """Whether messages wait for channels that are not set up any more."""
        return self._pipeline.is_any_homeless(connection, self._clock.now())

    def replace(self, channels: Sequence[str], rules: Rules) -> None:
        """From now on alerts are told on these channels, by these rules (settings were reloaded)."""
        self._pipeline = Pipeline(rules, channels)

    @contextmanager
    def transaction(self, job: str) -> Iterator[AlertDesk]:
        """One transaction of the store, for the named job. Raises StoreError; then nothing of it exists."""
        with self._store.write() as connection:
            desk = AlertDesk(connection, job, self._pipeline, self._clock.now())
            yield desk
            desk.enqueue()
        if desk.changed:
            self._wake()
