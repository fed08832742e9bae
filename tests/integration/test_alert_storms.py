"""Random storms: many conditions come, rise and go at once while senders are killed. Read from the chats themselves.

Whatever happens: each open incident was told at each level it reached; where messages can be edited none goes on
alarming about what is over; whoever was alarmed hears the end; and a digest is not changed more often than promised.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Self

from alert_samples import KIND, book_of, unreplied
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mortal_sender import FATES, MortalMailbox, MortalSender

from roundsman.alerts.channels.base import Receipt
from roundsman.alerts.condition import Escalation
from roundsman.alerts.delivery import Delivered
from roundsman.alerts.message import Message
from roundsman.clock import ManualClock
from roundsman.repositories.alerts import AlertRepository, Resolution
from roundsman.repositories.audience import Audience
from roundsman.repositories.engine import Store
from roundsman.repositories.notification_claims import DIGEST_REST
from roundsman.repositories.notifications import NotificationRepository, NotificationStatus

SUBJECTS = "abcdef"
SALES = Audience("Sales", digest_from=3)


@dataclass
class Said:
    """One message of a chat as it reads now, whether its sender got the receipt, and when it was changed."""

    message: Message
    is_known: bool
    changed: list[datetime] = field(default_factory=list)

    def alarms_about(self) -> set[str]:
        """The incidents that it says go on."""
        return {name for line in self._lines() for name in _names(line) if not _is_over(line)}

    def ends(self) -> set[str]:
        return {name for line in self._lines() for name in _names(line) if _is_over(line)}

    def _lines(self) -> list[str]:
        return [item.text for item in self.message.items] or [self.message.title]


def _names(line: str) -> list[str]:
    return re.findall(r"incident-\w+-\d+-", line)


def _is_over(line: str) -> bool:
    return "answered" in line or "no longer waits" in line


@dataclass
class Chat(MortalMailbox):
    """One that keeps its messages as they read now."""

    clock: ManualClock = field(kw_only=True)
    messages: list[Said] = field(default_factory=list)
    alarmed: set[str] = field(default_factory=set)

    def send(self, message: Message) -> Receipt:
        fate = self.meet_fate_before()
        self.messages.append(Said(message, is_known=fate != "killed after"))
        self.alarmed |= self.messages[-1].alarms_about()
        self.meet_fate_after(fate)
        return Receipt("told", {"number": str(len(self.messages) - 1)})

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        if not self.can_edit or "number" not in receipt.keys:
            return self.send(message)
        fate, said = self.meet_fate_before(), self.messages[int(receipt.keys["number"])]
        said.message = message
        self.meet_fate_after(fate)
        said.changed.append(self.clock.now())
        return receipt


@dataclass
class World(MortalSender[Chat]):
    """Two chats of which one can be edited."""

    opened: int = 0

    @classmethod
    def of(cls, store: Store, clock: ManualClock) -> Self:
        chats = (Chat("bot", clock=clock), Chat("hook", clock=clock, can_edit=False))
        return cls(store, clock, {chat.name: chat for chat in chats})

    def fire(self, subjects: Iterable[str], level: int) -> None:
        now, conditions = self.clock.now(), []
        for subject in sorted(subjects):
            self.opened += 1
            found = unreplied(subject, now, customer_name=f"incident-{subject}-{self.opened}-")
            conditions.append(replace(found, level=level, audience=SALES))
        with book_of(self.store, self.clock, self.sender).transaction("monitor") as desk:
            desk.fire_all(conditions)

    def escalate(self, subjects: Iterable[str], level: int) -> None:
        with book_of(self.store, self.clock, self.sender).transaction("monitor") as desk:
            desk.escalate_all([Escalation(f"{KIND}:{name}", level, SALES) for name in sorted(subjects)])

    def resolve(self, subjects: Iterable[str]) -> None:
        over = Resolution("answered", {"answered_at": "now"})
        with book_of(self.store, self.clock, self.sender).transaction("monitor") as desk:
            desk.resolve_all({f"{KIND}:{name}": over for name in sorted(subjects)})

    def drain(self) -> None:
        for name in self.mailboxes:
            quiet = 0
            while quiet < 2:  # a change that came too soon is put off by the first look at it
                self.clock.advance(timedelta(minutes=6))
                quiet = quiet + 1 if self.deliver(name, "none") is Delivered.NOTHING else 0

    def check(self) -> None:
        with self.store.read() as connection:
            found = AlertRepository().latest(connection)
            deliveries = NotificationRepository().of_alerts(connection, [alert.id for alert in found])
        still_open = {alert.annotations["customer_name"] for alert in found if alert.resolved_at is None}
        for alert in found:
            sent = Counter(
                (each.channel, each.event.value, each.level)
                for each in deliveries[alert.id]
                if each.status is NotificationStatus.SENT
            )
            assert max(sent.values(), default=0) <= 1
            for name in self.mailboxes:
                if alert.resolved_at is None:
                    event = "firing" if alert.level else "warning"
                    assert sent[name, event, alert.level] == 1, "an open alert was not told"
        for chat in self.mailboxes.values():
            self._check_chat(chat, still_open)

    def _check_chat(self, chat: Chat, still_open: set[str]) -> None:
        ended = {name for said in chat.messages for name in said.ends()}
        if chat.can_edit or not still_open:  # else the end of a digest is told once, when nothing of it goes on
            assert chat.alarmed - still_open <= ended, "somebody was alarmed and never heard the end"
        assert not ended & still_open
        for said in chat.messages:
            if chat.can_edit and said.is_known:
                assert said.alarms_about() <= still_open, "a message goes on alarming about what is over"
            if said.message.items:
                apart = (later - earlier for earlier, later in pairwise(said.changed))
                assert all(each >= DIGEST_REST for each in apart), "a digest was changed too often"
        if not chat.can_edit and not self.kills:
            replies = sum(bool(said.ends()) for said in chat.messages)
            assert replies <= sum(bool(said.alarms_about()) for said in chat.messages), "more ends than news"


some = st.sets(st.sampled_from(SUBJECTS), min_size=1)
fates = st.sampled_from(FATES)
steps = st.one_of(
    st.tuples(st.just("fire"), some, st.sampled_from([0, 1, 1])),
    st.tuples(st.just("escalate"), some, st.integers(1, 3)),
    st.tuples(st.just("resolve"), some, st.just(0)),
    st.tuples(fates, st.sampled_from(["bot", "hook"]), st.just(0)),
    st.tuples(fates, st.sampled_from(["bot", "hook"]), st.just(0)),
    st.tuples(st.just("wait"), st.just(""), st.sampled_from([5, 31, 400])),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@example(life=[("fire", {"a", "b", "c", "d"}, 0), ("killed after", "bot", 0), ("resolve", {"b"}, 0)])
@example(
    life=[
        ("fire", set("abcd"), 1),
        ("none", "bot", 0),
        ("resolve", {"a"}, 0),
        ("killed before", "bot", 0),
        ("resolve", {"b"}, 0),
        ("none", "bot", 0),
    ]
)
@example(
    life=[
        ("fire", set("abcd"), 1),
        ("none", "bot", 0),
        ("resolve", {"a"}, 0),
        ("killed after", "bot", 0),
        ("resolve", {"b"}, 0),
        ("none", "bot", 0),
    ]
)
@example(
    life=[("fire", set("bcdf"), 0), ("killed after", "bot", 0), ("escalate", set("bc"), 3), ("resolve", set("cf"), 0)]
)
@example(
    life=[
        ("fire", {"a"}, 0),
        ("escalate", {"a"}, 1),
        ("fire", set("bcdef"), 0),
        ("escalate", set("be"), 1),
        ("none", "bot", 0),
        ("resolve", set("bea"), 0),
        ("killed before", "bot", 0),
        ("resolve", {"f"}, 0),
        ("none", "hook", 0),
        ("escalate", set("cd"), 1),
    ]
)
@example(
    life=[("fire", {"b", "c", "d"}, 0), ("killed before", "bot", 0), ("resolve", {"c"}, 0), ("escalate", {"b", "d"}, 1)]
)
@given(life=st.lists(steps, min_size=12, max_size=40))
def test_in_any_storm_everybody_hears_of_the_beginning_and_of_the_end(
    sqlite_store: Store, clock: ManualClock, life: list[tuple[str, set[str], int]]
) -> None:
    world = World.of(sqlite_store, clock)
    for step, target, number in life:
        if step == "fire":
            world.fire(target, number)
        elif step == "escalate":
            world.escalate(target, number)
        elif step == "resolve":
            world.resolve(target)
        elif step == "wait":
            clock.advance(timedelta(seconds=number))
        else:
            world.deliver(str(target), step)
    world.drain()
    world.check()
    world.resolve(SUBJECTS)
    world.drain()
    world.check()
