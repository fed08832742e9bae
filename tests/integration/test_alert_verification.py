"""The last look before somebody is alarmed, with a real store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from alert_outbox import Outbox
from alert_samples import KIND, ZONE, Mailbox, book_of, failing, unreplied

from roundsman.alerts.channels.base import DeliveryError, Fault
from roundsman.alerts.delivery import Delivered
from roundsman.alerts.sender import Sender
from roundsman.alerts.templates import Language
from roundsman.clock import ManualClock
from roundsman.owner import Owner
from roundsman.repositories.alerts import Alert, Resolution
from roundsman.repositories.audience import Audience
from roundsman.repositories.engine import Store

SALES = Audience("Sales", digest_from=3)


@dataclass
class Look:
    """A source that says which customers were answered meanwhile."""

    answered: set[str] = field(default_factory=set)
    asked: list[list[str]] = field(default_factory=list)
    fails: Exception | None = None

    def __call__(self, alerts: Sequence[Alert]) -> Mapping[str, Resolution]:
        self.asked.append([alert.subject for alert in alerts])
        if self.fails is not None:
            raise self.fails
        over = Resolution("answered", {"answered_at": "now", "answered_by": "Hoa", "waited_minutes": 14})
        return {f"{KIND}:{name}": over for name in [*self.answered, "stranger"]}


@dataclass
class Post:
    """A sender with one mailbox."""

    store: Store
    clock: ManualClock
    look: Look = field(default_factory=Look)
    mailbox: Mailbox = field(default_factory=Mailbox)

    def __post_init__(self) -> None:
        self.sender = Sender(
            self.store, self.clock, Owner.this_process(), [self.mailbox], language=Language.ENGLISH, zone=ZONE,
            verifiers={KIND: self.look},
        )  # fmt: skip
        self.sender.register()
        self.outbox = Outbox(self.store, self.clock, ("mailbox",))

    def fire(self, *names: str) -> None:
        with book_of(self.store, self.clock, self.sender).transaction("monitor") as desk:
            desk.fire_all([replace(unreplied(name, self.clock.now()), audience=SALES) for name in names])

    def drain(self) -> list[Delivered]:
        done: list[Delivered] = []
        while (delivered := self.sender.run_once("mailbox")) not in (Delivered.NOTHING, Delivered.NOT_YET):
            done.append(delivered)
        return done


@pytest.fixture
def post(store: Store, clock: ManualClock) -> Post:
    return Post(store, clock)


def test_nobody_is_alarmed_about_a_customer_who_was_answered_meanwhile(post: Post) -> None:
    post.fire("a", "b")
    post.look.answered = {"a"}
    assert post.drain() == [Delivered.SENT]
    assert [message.fields["ALERT"] for message in post.mailbox.told] == [f"{KIND}:b"]
    alert = post.outbox.alert("a")
    assert (alert.resolution, alert.annotations["answered_by"]) == ("answered", "Hoa")
    assert post.outbox.told("mailbox") == [("a", "firing", 1, "cancelled"), ("b", "firing", 1, "sent")]
    assert [entry[0] for entry in post.outbox.events("a")] == ["opened", "resolved", "cancelled"]


def test_a_digest_leaves_without_those_who_were_answered_meanwhile(post: Post) -> None:
    post.fire("a", "b", "c", "d")
    post.look.answered = {"b", "d"}
    post.drain()
    assert post.mailbox.titles == ["2 customers have waited too long (Sales)"]
    assert len(post.mailbox.told[0].items) == 2
    assert [sorted(each) for each in post.look.asked] == [["a", "b", "c", "d"], ["a", "c"]]


def test_when_all_were_answered_nothing_leaves(post: Post) -> None:
    post.fire("a", "b", "c")
    post.look.answered = {"a", "b", "c"}
    assert post.drain() == []
    assert (post.mailbox.told, post.mailbox.edited) == ([], [])


def test_each_attempt_looks_again(post: Post, clock: ManualClock) -> None:
    post.fire("a")
    post.mailbox.fails = failing(DeliveryError(Fault.TEMPORARY, "HTTP 503"))
    assert post.drain() == [Delivered.RETRY_LATER]
    post.look.answered = {"a"}
    clock.advance(timedelta(minutes=5))
    assert post.drain() == []
    assert post.mailbox.told == []


def test_an_end_is_told_without_a_look(post: Post) -> None:
    post.fire("a")
    post.drain()
    post.outbox.resolve("a")
    asked = len(post.look.asked)
    post.sender.wake()
    assert post.drain() == [Delivered.SENT]
    assert (len(post.look.asked), len(post.mailbox.edited)) == (asked, 1)


def test_a_look_that_fails_keeps_nothing_back(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    post.look.fails = ConnectionError("https://pancake.example/?token=secret")
    post.fire("a")
    assert post.drain() == [Delivered.SENT]
    assert "not possible to look again" in caplog.text
    assert "secret" not in caplog.text


def test_what_is_given_back_counts_as_untried(post: Post) -> None:
    post.fire("a", "b", "c")
    claim = post.outbox.claimed("mailbox")
    with post.store.write() as connection:
        assert post.outbox.claims.give_back(connection, claim)
        assert not post.outbox.claims.give_back(connection, claim)
    assert post.outbox.claimed("mailbox").attempts == 1
