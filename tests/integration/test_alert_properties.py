"""Random lives: conditions come, rise and go, alone and by the dozen, while the sender is killed at every point.

The store stays in order, nothing is lost, and nobody who was alarmed is left without the end.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from alert_samples import KIND, book_of, unreplied
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mortal_sender import FATES, MortalMailbox, MortalSender

from roundsman.alerts.channels.base import Receipt
from roundsman.alerts.delivery import Delivered
from roundsman.alerts.message import Message
from roundsman.clock import ManualClock
from roundsman.repositories.alerts import AlertRepository, AlertStatus
from roundsman.repositories.engine import Store
from roundsman.repositories.notifications import NotificationRepository, NotificationStatus

SUBJECTS = ("a", "b", "c")
NAMES = ("one", "two")


@dataclass
class Mortal(MortalMailbox):
    """One that counts what it heard of each alert."""

    heard: Counter[tuple[str, str]] = field(default_factory=Counter)

    def send(self, message: Message) -> Receipt:
        return self._tell(message)

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        assert receipt.keys == {"firing": message.fields["ALERT"]}
        return self._tell(message)

    def _tell(self, message: Message) -> Receipt:
        fate = self.meet_fate_before()
        self.heard[message.fields["ALERT"], message.event.value] += 1
        self.meet_fate_after(fate)
        return Receipt("told", {"firing": message.fields["ALERT"]})


class World(MortalSender[Mortal]):
    """Two services."""

    def fire(self, subject: str) -> None:
        with book_of(self.store, self.clock, self.sender).transaction("monitor") as desk:
            desk.fire(unreplied(subject, self.clock.now()))

    def resolve(self, subject: str) -> None:
        with book_of(self.store, self.clock, self.sender).transaction("monitor") as desk:
            desk.resolve(f"{KIND}:{subject}", "answered")

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
    st.tuples(st.sampled_from(FATES), st.sampled_from(NAMES)),
    st.tuples(st.just("wait"), st.just("")),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(life=st.lists(steps, min_size=3, max_size=40))
def test_whatever_happens_nothing_is_lost_or_doubled(
    sqlite_store: Store, clock: ManualClock, life: list[tuple[str, str]]
) -> None:
    world = World(sqlite_store, clock, {name: Mortal(name) for name in NAMES})
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
    heard = sum(service.heard.total() for service in world.mailboxes.values())
    # A kill in flight may cost a repeat. It may also leave a row that says "sent" of a message that never left, when
    # the alert ended meanwhile: better the end of something unheard than an alarm without an end.
    # These services cannot find what a dead process wrote, so the end of a repeat comes as one more message as well.
    assert told.total() - world.kills <= heard <= told.total() + 2 * world.kills
    with sqlite_store.read() as connection:
        unended = {alert.fingerprint for alert in AlertRepository().all_open(connection)}
    for service in world.mailboxes.values():
        alarmed = {name for name, event in service.heard if event == "firing"}
        for fingerprint in alarmed - unended:
            assert service.heard[fingerprint, "resolved"] > 0, "somebody was alarmed and never heard the end"
