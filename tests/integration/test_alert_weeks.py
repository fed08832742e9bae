"""Weeks under all rules at once: nothing open is forgotten, nothing closed is sent, no channel is above its rate.

Conditions come, rise and go; silences, snoozes and acknowledgements come and go; a page loses its data and gets it
back; one channel is quiet at night; services fail. Whatever happens, after all that can hold a message is over and the
services work again, everybody has been told of all that is still open and of no level that was not reached, and every
message that was sent has heard its end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from alert_samples import KIND, Mailbox, sender_of, unreplied
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shift_samples import calendar, local, week

from roundsman.alerts.book import AlertBook
from roundsman.alerts.channels.base import DeliveryError, Fault, Receipt
from roundsman.alerts.condition import Condition, Escalation
from roundsman.alerts.keeper import AlertKeeper
from roundsman.alerts.message import Message
from roundsman.alerts.rate import Rate
from roundsman.alerts.rules.matcher import Matcher
from roundsman.alerts.rules.route import Route, RouteLevel, Rules
from roundsman.alerts.sender import Sender
from roundsman.alerts.silencing import Silencer
from roundsman.clock import ManualClock
from roundsman.repositories.alert_answers import AlertAnswers, Author
from roundsman.repositories.alerts import Alert, AlertRepository, AlertStatus, Severity
from roundsman.repositories.audience import Audience, Mention
from roundsman.repositories.engine import Store
from roundsman.repositories.notifications import NotificationRepository, NotificationStatus
from roundsman.repositories.silences import NewSilence
from roundsman.repositories.tables import alerts, channels, notifications, silences

DAY = calendar(week(mon_sat=["08:00-18:00"]))
LAN = Mention("Lan", "U0LAN", "77", key="lan")
RULES = Rules(
    (
        Route(
            "pages", (Matcher.parse("kind=page_stale"),), ("slack",), repeat=timedelta(hours=6),
            levels=(RouteLevel(2, timedelta(hours=1), (LAN,)), RouteLevel(3, timedelta(hours=3), channels=("hook",))),
        ),
        Route("sales", hours=DAY, repeat=timedelta(hours=8), group_by=("page_id",)),
    ),
    hours_of={"lan": DAY},
)  # fmt: skip
SUBJECTS, PAGES = ("a", "b", "c", "d"), ("p", "q")
EVERY = timedelta(seconds=30)
BURST = 3


@dataclass
class Service(Mailbox):
    """A channel with a rate, which fails for a while and keeps the moments of what it took."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(local("2026-03-02 08:00")))
    is_down: bool = False
    at: list[float] = field(default_factory=list)

    @property
    def rates(self) -> tuple[Rate, ...]:
        return (Rate(self.name, EVERY, BURST),)

    def send(self, message: Message) -> Receipt:
        self._take()
        return super().send(message)

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        self._take()
        return super().edit(receipt, message)

    def _take(self) -> None:
        self.at.append(self.clock.monotonic())  # also what it refuses counts
        if self.is_down:
            raise DeliveryError(Fault.TEMPORARY, "HTTP 503")


@dataclass
class Weeks:
    """A store, two services, and the process between them."""

    store: Store
    clock: ManualClock = field(default_factory=lambda: ManualClock(local("2026-03-02 08:00")))
    services: dict[str, Service] = field(init=False)
    sender: Sender = field(init=False)
    book: AlertBook = field(init=False)

    def __post_init__(self) -> None:
        with self.store.write() as connection:
            for table in (notifications, alerts, silences, channels):
                connection.execute(table.delete())
        self.services = {name: Service(name, clock=self.clock, can_edit=name == "slack") for name in ("slack", "hook")}
        self.book = AlertBook(self.store, self.clock, list(self.services), lambda: None, RULES)
        self.sender = sender_of(self.store, self.clock, list(self.services.values()))
        self.sender.register()

    def fire(self, subject: str, page: str, severity: Severity) -> None:
        with self.book.transaction("monitor") as desk:
            condition = unreplied(subject, self.clock.now())
            labels = {**condition.labels, "page_id": page}
            audience = Audience("Sales", mentions=(LAN,), digest_from=2)
            facts = {**vars(condition), "labels": labels, "severity": severity, "audience": audience}
            desk.fire(Condition(**facts))

    def rise(self, subject: str, level: int) -> None:
        with self.book.transaction("monitor") as desk:
            desk.escalate(Escalation(f"{KIND}:{subject}", level, Audience("Sales", mentions=(LAN,), digest_from=2)))

    def lose(self, page: str) -> None:
        with self.book.transaction("monitor") as desk:
            desk.fire(Condition("page_stale", page, Severity.HIGH, self.clock.now(), {"page_id": page}, {}))

    def end(self, fingerprint: str) -> None:
        with self.book.transaction("monitor") as desk:
            desk.resolve(fingerprint, "answered")

    def silence(self, written: str, hours: int) -> None:
        now = self.clock.now()
        with self.store.write() as connection:
            draft = NewSilence((written,), "Minh", "why", now, now + timedelta(hours=hours))
            Silencer().add(connection, draft, now)

    def take(self, number: int, hours: int) -> None:
        """Acknowledge (no hours) or snooze one of the open alerts."""
        found = self.open
        if not found:
            return
        chosen, now = found[number % len(found)], self.clock.now()
        with self.store.write() as connection:
            if hours:
                until = now + timedelta(hours=hours)
                AlertAnswers().snooze(connection, chosen.id, Author("Lan"), now, until=until)
            else:
                AlertAnswers().acknowledge(connection, chosen.id, Author("Lan"), now)

    def pass_time(self, hours: float) -> None:
        """In steps of at most two hours, at each of which every service is used as far as it goes."""
        left = timedelta(hours=hours)
        while left > timedelta(0):
            step = min(left, timedelta(hours=2))
            left -= step
            self.clock.advance(step)
            AlertKeeper(self.store, self.clock, self.book).keep()
            self.sender.wake()
            for name in self.services:
                for _ in range(6):
                    self.sender.run_once(name)
                    self.clock.advance(timedelta(seconds=1))

    @property
    def open(self) -> list[Alert]:
        with self.store.read() as connection:
            return sorted(AlertRepository().all_open(connection), key=lambda alert: alert.id)

    def settle(self) -> None:
        """All that can hold a message back comes to its end, while nothing new happens."""
        for service in self.services.values():
            service.is_down = False
        for fingerprint in [alert.fingerprint for alert in self.open if alert.kind == "page_stale"]:
            self.end(fingerprint)
        self.pass_time(24 * 8)

    def assert_all_is_well(self) -> None:
        with self.store.read() as connection:
            found = AlertRepository().latest(connection)
            messages = NotificationRepository().of_alerts(connection, [alert.id for alert in found])
        for alert in found:
            mine = messages.get(alert.id, [])
            news = [each for each in mine if each.event.value != "resolved"]
            assert all(each.level <= alert.level for each in news), "told of a level that was not reached"
            sent = {(each.channel, each.level) for each in news if each.status is NotificationStatus.SENT}
            if alert.status is AlertStatus.RESOLVED:
                assert not [
                    each for each in news if each.status in (NotificationStatus.PENDING, NotificationStatus.HELD)
                ]
                ends = {each.channel for each in mine if each.event.value == "resolved"}
                assert ends >= {channel for channel, _ in sent}, "somebody was not told of the end"
            elif alert.status is not AlertStatus.ACKNOWLEDGED:
                told = {channel for channel, level in sent if level == alert.level}
                assert told, f"nobody was told of {alert.fingerprint} at level {alert.level}: {mine}"
                assert told == set(self.services) or alert.kind != KIND

    def assert_rates(self) -> None:
        for service in self.services.values():
            for start, first in enumerate(service.at):
                within = [moment for moment in service.at[start:] if moment - first < EVERY.total_seconds() * 10]
                assert len(within) <= BURST + 10, f"{service.name} took {len(within)} in ten times its interval"


hours = st.integers(1, 30)
steps = st.one_of(
    st.tuples(
        st.just("fire"), st.sampled_from(SUBJECTS), st.sampled_from(PAGES),
        st.sampled_from([Severity.CRITICAL, Severity.MEDIUM, Severity.MEDIUM]),
    ),
    st.tuples(st.just("rise"), st.sampled_from(SUBJECTS), st.integers(2, 4)),
    st.tuples(st.just("end"), st.sampled_from([f"{KIND}:{name}" for name in SUBJECTS])),
    st.tuples(st.just("lose"), st.sampled_from(PAGES)),
    st.tuples(st.just("end"), st.sampled_from([f"page_stale:{page}" for page in PAGES])),
    st.tuples(st.just("silence"), st.sampled_from([f"kind={KIND}", "page_id=p", "severity=critical"]), hours),
    st.tuples(st.just("take"), st.integers(0, 3), st.sampled_from([0, 1, 7])),
    st.tuples(st.just("pass_time"), st.sampled_from([0.1, 1, 5, 13, 40])),
    st.tuples(st.just("fail"), st.sampled_from(["slack", "hook"]), st.booleans()),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(life=st.lists(steps, min_size=3, max_size=30))
def test_weeks_under_all_rules(sqlite_store: Store, life: Sequence[tuple[Any, ...]]) -> None:
    weeks = Weeks(sqlite_store)
    for name, *values in life:
        if name == "fail":
            weeks.services[values[0]].is_down = values[1]
        else:
            act: Callable[..., None] = getattr(weeks, name)
            act(*values)
    weeks.settle()
    weeks.assert_all_is_well()
    weeks.assert_rates()
