"""The book, the outbox and the log of a real store, as the tests of levels and digests use them: without a sender."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from alert_samples import KIND, unreplied
from sqlalchemy import select

from roundsman.alerts.book import NO_RULES, AlertBook
from roundsman.alerts.condition import Escalated, Escalation
from roundsman.alerts.keeper import AlertKeeper
from roundsman.alerts.rules.route import Rules
from roundsman.clock import ManualClock
from roundsman.repositories.alert_log import AlertLog, LogEntry
from roundsman.repositories.alerts import Alert, AlertRepository, Resolution
from roundsman.repositories.audience import EVERYBODY, Audience
from roundsman.repositories.engine import Store
from roundsman.repositories.notification_claims import Claim, NotificationClaims
from roundsman.repositories.tables import alerts, notification_alerts, notifications

LEASE = timedelta(seconds=60)
ME = "here/boot/1/1"


@dataclass
class Outbox:
    """Two channels, `slack` that can edit and `hook` that cannot."""

    store: Store
    clock: ManualClock
    channels: tuple[str, ...] = ("slack", "hook")
    claims: NotificationClaims = field(default_factory=NotificationClaims)
    rules: Rules = NO_RULES

    def book(self) -> AlertBook:
        return AlertBook(self.store, self.clock, self.channels, lambda: None, self.rules)

    def keep(self, **later: float) -> int:
        """Let this time pass, and look at what is due about the alerts."""
        self.clock.advance(timedelta(**later))
        return AlertKeeper(self.store, self.clock, self.book()).keep()

    def fire(self, *subjects: str, level: int = 1, audience: Audience = EVERYBODY, waited_min: int = 23) -> None:
        """The first of them has waited longest."""
        with self.book().transaction("monitor") as desk:
            desk.fire_all(
                [
                    replace(
                        unreplied(subject, self.clock.now(), timedelta(minutes=waited_min + len(subjects) - number)),
                        level=level,
                        audience=audience,
                    )
                    for number, subject in enumerate(subjects)
                ]
            )

    def escalate(self, *subjects: str, level: int, audience: Audience = EVERYBODY) -> list[Escalated]:
        with self.book().transaction("monitor") as desk:
            answers = desk.escalate_all([Escalation(f"{KIND}:{name}", level, audience) for name in subjects])
        return [answers[f"{KIND}:{name}"] for name in subjects]

    def resolve(self, *subjects: str) -> None:
        with self.book().transaction("monitor") as desk:
            desk.resolve_all({f"{KIND}:{name}": Resolution("answered", {"answered_by": "Hoa"}) for name in subjects})

    def claim(self, channel: str = "slack") -> Claim | None:
        with self.store.write() as connection:
            return self.claims.claim(connection, channel, ME, self.clock.now(), LEASE, can_edit=channel == "slack")

    def claimed(self, channel: str = "slack") -> Claim:
        found = self.claim(channel)
        assert found is not None, f"nothing is due on {channel}"
        return found

    def sent(self, claim: Claim) -> Claim:
        with self.store.write() as connection:
            assert self.claims.sent(connection, claim, {"words": f"message {claim.id}"}, self.clock.now())
        return claim

    def send(self, channel: str = "slack") -> Claim:
        """Deliver what is due next, which there must be."""
        return self.sent(self.claimed(channel))

    def drain(self, channel: str = "slack") -> list[Claim]:
        """Deliver everything that is due now."""
        done = []
        while (claim := self.claim(channel)) is not None:
            done.append(self.sent(claim))
        return done

    def alert(self, subject: str) -> Alert:
        """The newest with this subject."""
        with self.store.read() as connection:
            found = [each for each in AlertRepository().latest(connection) if each.subject == subject]
        return found[0]

    def subjects(self, alert_ids: Sequence[int]) -> list[str]:
        with self.store.read() as connection:
            return [alert.subject for alert in AlertRepository().find_all(connection, alert_ids)]

    def told(self, channel: str = "slack") -> list[tuple[str, str, int, str]]:
        """(subject, event, level, status) of everything that concerns an alert on a channel, sorted."""
        query = (
            select(alerts.c.fingerprint, notifications.c.event, notifications.c.level, notifications.c.status)
            .join(notification_alerts, notification_alerts.c.alert_id == alerts.c.id)
            .join(notifications, notifications.c.id == notification_alerts.c.notification_id)
            .where(notifications.c.channel == channel)
        )
        with self.store.read() as connection:
            rows = connection.execute(query).all()
        return sorted((row.fingerprint.removeprefix(f"{KIND}:"), row.event, row.level, row.status) for row in rows)

    def trail(self, subject: str) -> list[LogEntry]:
        with self.store.read() as connection:
            return AlertLog().of_alert(connection, self.alert(subject).id)

    def events(self, subject: str) -> list[tuple[str, str | None, Mapping[str, object]]]:
        return [(entry.event.value, entry.channel, entry.detail) for entry in self.trail(subject)]
