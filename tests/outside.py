"""A simulated outside: what customers and staff really wrote, and the ways on which we hear of it, if we do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from chats import PAGE
from rounds import LOG

from jobs.conversation_monitor import ConversationMonitor
from roundsman.alerts.book import AlertBook
from roundsman.clock import ManualClock
from roundsman.conversations.intake import Batch, Intake
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Plan, Policy
from roundsman.conversations.sender import chat_message
from roundsman.conversations.source import Reread, StoreSource
from roundsman.conversations.waiting import waiting_state
from roundsman.monitor.page_roll import PagesSetUp
from roundsman.repositories.conversations import Conversation, MessageRecord, WatchedConversation
from roundsman.repositories.engine import Store
from roundsman.repositories.page_syncs import PageSyncRepository
from roundsman.repositories.watch_list import WaitingState
from roundsman.scheduling.job import JobContext, StopToken

NAMES = ("1", "2", "3")
PAUSES_S = (2, 5, 20, 30, 60, 180)
"""Between two things that happen."""


def chat_id(name: str) -> str:
    return f"{PAGE}_{name}"


@dataclass
class Sync:
    """A sync that is under way: it brings whatever the source knew when it began."""

    began_at: datetime
    left: list[MessageRecord]


@dataclass
class Outside:
    """The truth, and a line to it that may be cut. It answers the monitor's question for the newest messages."""

    rng: Random
    clock: ManualClock
    intake: Intake
    failing: float
    """How often a question about one conversation fails although the line is there."""
    truth: list[MessageRecord] = field(default_factory=list)
    is_reachable: bool = True
    asked: dict[str, bool] = field(default_factory=dict)
    """By conversation: what came of the last round's question."""

    def write(self, name: str, who: str) -> None:
        """A customer, a person or a bot writes at this moment."""
        sender = {"customer": (name, "Mai"), "staff": ("u1", "Lan"), "bot": (PAGE, "Bot")}[who]
        self.truth.append(
            MessageRecord(
                f"m{len(self.truth)}",
                chat_id(name),
                self.clock.now(),
                *sender,
                is_system=False,
                is_staff=who != "customer",
                is_automated=who == "bot",
            )
        )

    def said(self, conversation_id: str, at: datetime) -> list[MessageRecord]:
        return [each for each in self.truth if each.conversation_id == conversation_id and each.sent_at <= at]

    def state(self, conversation_id: str, at: datetime) -> WaitingState:
        """Who really waited at a moment."""
        return waiting_state([chat_message(each, PAGE) for each in self.said(conversation_id, at)], at)

    def bring(self, messages: Sequence[MessageRecord]) -> None:
        """Some of it reaches the store."""
        self.intake.take(Batch(messages=messages), self.clock.now())

    def reread(self, conversations: Sequence[WatchedConversation], now: datetime, stop: StopToken) -> Reread:
        failed = {}
        for each in conversations:
            conversation_id = each.conversation.conversation_id
            if not self.is_reachable or self.rng.random() < self.failing:
                failed[conversation_id] = "HTTP 503"
            else:
                self.bring(self.said(conversation_id, now))
            self.asked[conversation_id] = conversation_id not in failed
        return Reread({each.conversation.conversation_id for each in conversations} - failed.keys(), failed)


class World:
    """A store beside that outside, and one monitor that lives all the time."""

    def __init__(self, store: Store, clock: ManualClock, rng: Random, policy: Policy, failing: float) -> None:
        self.book = book = PolicyBook(policy)
        self.store = store
        self.clock = clock
        self.rng = rng
        self.policy = policy
        self.outside = Outside(rng, clock, Intake(store, WatchKeeper(book)), failing)
        alerts = AlertBook(store, clock, ["console"], lambda: None)
        self.monitor = ConversationMonitor(store, alerts, book, StoreSource(self.outside), PagesSetUp(lambda: None))
        self.fresh_at = clock.now()
        self.walked_at: list[datetime] = []
        self.sync: Sync | None = None
        self._syncs = PageSyncRepository()
        conversations = [Conversation(chat_id(name), PAGE, "INBOX", "Mai") for name in NAMES]
        self.outside.intake.take(Batch(conversations=conversations), clock.now())
        self._advance()
        self.walk()

    def happen(self, steps: int) -> Iterator[datetime]:
        """Let things happen; after each round of the monitor its moment is yielded."""
        for _ in range(steps):
            self.clock.advance(timedelta(seconds=self.rng.choice(PAUSES_S)))
            what = self.rng.choices(
                ("write", "hear", "sync", "walk", "cut", "mend"), weights=(2, 2, 6, 8, 0.2, 0.6)
            )[0]  # fmt: skip
            if what == "write":
                self.outside.write(self.rng.choice(NAMES), self.rng.choice(("customer", "customer", "staff", "bot")))
            elif what == "hear" and self.outside.is_reachable:
                self._hear()
            elif what == "sync":
                self._sync()
            elif what in ("cut", "mend"):
                self.outside.is_reachable = what == "mend"
            elif what == "walk":
                yield self.walk()

    def catch_up(self) -> datetime:
        """The line is there again, a sync gets through, and the monitor walks."""
        self.outside.is_reachable, self.outside.failing = True, 0.0
        self.clock.advance(timedelta(seconds=30))
        self.synced()
        self.clock.advance(timedelta(seconds=30))
        return self.walk()

    def synced(self, at: datetime | None = None) -> None:
        """What the outside knew at a moment (now) is here."""
        began_at = at or self.clock.now()
        self.sync = Sync(began_at, [each for each in self.outside.truth if each.sent_at <= began_at])
        self._complete()

    def walk(self) -> datetime:
        now = self.clock.now()
        self.outside.asked.clear()
        self.walked_at.append(now)
        self.monitor.run(JobContext(self.clock, LOG, StopToken(), now))
        return now

    def plan(self, since: datetime, state: WaitingState) -> Plan:
        return self.policy.plan(since, first=state.answered(self.policy.clock) is None)

    def _hear(self) -> None:
        """Some messages arrive out of order, old ones perhaps once more, new ones perhaps not."""
        truth = self.outside.truth
        self.outside.bring(self.rng.sample(truth, self.rng.randint(0, len(truth))))

    def _sync(self) -> None:
        """A sync begins, goes on, completes, or fails: then the next one begins anew."""
        if not self.outside.is_reachable:
            self.sync = None
            with self.store.write() as connection:
                now = self.clock.now()
                self._syncs.failed(connection, PAGE, "pancake", "HTTP 503", retry_at=now, now=now)
            return
        if self.sync is None:
            left = [*self.outside.truth]
            self.rng.shuffle(left)
            self.sync = Sync(self.clock.now(), left)
        if self.rng.random() < 0.6:
            self._complete()
            return
        half = len(self.sync.left) // 2
        self.outside.bring(self.sync.left[:half])
        self.sync.left = self.sync.left[half:]

    def _complete(self) -> None:
        assert self.sync is not None
        self.outside.bring(self.sync.left)
        self.fresh_at, self.sync = self.sync.began_at, None
        self._advance()

    def _advance(self) -> None:
        with self.store.write() as connection:
            self._syncs.advance(connection, PAGE, "pancake", fresh_at=self.fresh_at, checkpoint=None)
