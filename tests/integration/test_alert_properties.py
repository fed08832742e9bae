"""Random lives: conditions come, rise and go, alone and by the dozen, while the sender is killed at every point.

The store stays in order, nothing is lost, and nobody who was alarmed is left without the end.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from alert_samples import KIND, Mailbox, book_of, sender_of, unreplied
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roundsman.alerts.channels.base import DeliveryError, Fault, Receipt
from roundsman.alerts.delivery import Delivered
from roundsman.alerts.message import Message
from roundsman.alerts.sender import Sender
from roundsman.clock import ManualClock
from roundsman.owner import Owner
from roundsman.repositories.alerts import AlertRepository, AlertStatus
from roundsman.repositories.engine import Store
from roundsman.repositories.notifications import NotificationRepository, NotificationStatus
from roundsman.repositories.tables import alerts, notifications

SUBJECTS = ("a", "b", "c")
NAMES = ("one", "two")


class Killed(BaseException):
    pass


@dataclass
class Mortal(Mailbox):
    """A channel whose process dies, or whose service fails, on command, before or after the message arrived."""

    fate: str = "none"
    heard: Counter[tuple[str, str]] = field(default_factory=Counter)

    def send(self, message: Message) -> Receipt:
        return self._tell(message)

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        assert receipt.keys == {"firing": message.fields["ALERT"]}
        return self._tell(message)

    def _tell(self, message: Message) -> Receipt:
        fate, self.fate = self.fate, "none"
        if fate == "killed before":
            raise Killed
        if fate == "failing":
            raise DeliveryError(Fault.TEMPORARY, "HTTP 503")
        self.heard[message.fields["ALERT"], message.event.value] += 1
        if fate == "killed after":
            raise Killed
        return Receipt("told", {"firing": message.fields["ALERT"]})


@dataclass
class World:
    """The store, the services that outlive every process, and the process of now."""

    store: Store
    clock: ManualClock
    services: dict[str, Mortal] = field(default_factory=lambda: {name: Mortal(name) for name in NAMES})
    kills: int = 0
    sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        with self.store.write() as connection:
            connection.execute(notifications.delete())
            connection.execute(alerts.delete())
        self.restart()

    def restart(self) -> None:
        me = Owner.this_process()
        life = Owner(
            me.host, me.place, me.pid, -self.kills
        )  # no process ever started then, so its successor sees it dead
        self.sender = sender_of(self.store, self.clock, list(self.services.values()), life)
        self.sender.register()

    def fire(self, subject: str) -> None:
        with book_of(self.store, self.clock, self.sender).transaction("monitor") as desk:
            desk.fire(unreplied(subject, self.clock.now()))

    def resolve(self, subject: str) -> None:
        with book_of(self.store, self.clock, self.sender).transaction("monitor") as desk:
            desk.resolve(f"{KIND}:{subject}", "answered")

    def deliver(self, name: str, fate: str) -> Delivered | None:
        self.services[name].fate = fate
        try:
            return self.sender.run_once(name)
        except Killed:
            self.kills += 1
            self.restart()
            return None
        finally:
            self.services[name].fate = "none"

    def drain(self) -> None:
        for name in NAMES:
            self.clock.advance(timedelta(minutes=6))
            while self.deliver(name, "none") is not Delivered.NOTHING:
                self.clock.advance(timedelta(minutes=6))

    def rows(self) -> Iterator[tuple[AlertStatus, dict[tuple[str, str], NotificationStatus]]]:
        with self.store.read() as connection:
            found = AlertRepository().latest(connection)
            deliveries = NotificationRepository().of_alerts(connection, [alert.id for alert in found])
        for alert in found:
            entries = deliveries[alert.id]
            by_key = {(entry.channel, entry.event.value): entry.status for entry in entries}
            assert len(by_key) == len(entries), "two notifications of one alert, channel and event"
            yield alert.status, by_key


steps = st.one_of(
    st.tuples(st.just("fire"), st.sampled_from(SUBJECTS)),
    st.tuples(st.just("resolve"), st.sampled_from(SUBJECTS)),
    st.tuples(st.sampled_from(["none", "failing", "killed before", "killed after"]), st.sampled_from(NAMES)),
    st.tuples(st.just("wait"), st.just("")),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(life=st.lists(steps, min_size=3, max_size=40))
def test_whatever_happens_nothing_is_lost_or_doubled(
    sqlite_store: Store, clock: ManualClock, life: list[tuple[str, str]]
) -> None:
    world = World(sqlite_store, clock)
    for step, target in life:
        if step == "fire":
            world.fire(target)
        elif step == "resolve":
            world.resolve(target)
        elif step == "wait":
            clock.advance(timedelta(minutes=6))
        else:
            world.deliver(target, step)
        with sqlite_store.read() as connection:
            still_open = [alert.subject for alert in AlertRepository().all_open(connection)]
        assert len(still_open) == len(set(still_open)), "two open alerts with one fingerprint"
    world.drain()

    told: Counter[str] = Counter()
    for status, deliveries in world.rows():
        for name in NAMES:
            firing, resolved = deliveries[name, "firing"], deliveries.get((name, "resolved"))
            told[name] += (firing == "sent") + (resolved == "sent")
            if status is AlertStatus.FIRING:
                assert (firing, resolved) == ("sent", None), "an open alert was not told"
            else:
                assert (firing, resolved) in [("sent", "sent"), ("cancelled", None), ("cancelled", "cancelled")]
    heard = sum(service.heard.total() for service in world.services.values())
    # A kill in flight may cost a repeat. It may also leave a row that says "sent" of a message that never left, when
    # the alert ended meanwhile: better the end of something unheard than an alarm without an end.
    assert told.total() - world.kills <= heard <= told.total() + world.kills
    with sqlite_store.read() as connection:
        unended = {alert.fingerprint for alert in AlertRepository().all_open(connection)}
    for service in world.services.values():
        alarmed = {name for name, event in service.heard if event == "firing"}
        for fingerprint in alarmed - unended:
            assert service.heard[fingerprint, "resolved"] > 0, "somebody was alarmed and never heard the end"
