"""A shop's life through a live source: Pancake (a fake, over HTTP) with all its faults, the sync, and the monitor.

Two pages live side by side; only the first one suffers. What must hold at the end, whatever happened:
- nothing is lost: the store knows every message that Pancake knows;
- no false alert: whoever was told of had truly waited too long, and had no answer at that moment;
- nobody is forgotten: whoever waits too long when all is well again has an alert;
- an outage is one alert for its page, and none for the other one.
"""

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from fake_pancake import FakePancake, Misdeed
from pancake_bench import Hurry, staff, truth

from jobs.conversation_monitor import ConversationMonitor
from jobs.data_sync import DataSync
from roundsman.alerts.book import AlertBook
from roundsman.clock import ManualClock
from roundsman.conversations.intake import Intake
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.pancake.live import LivePancake, PancakeOptions
from roundsman.conversations.pancake.page_syncer import SyncOptions
from roundsman.conversations.pancake.token import Token
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.source import StoreSource
from roundsman.monitor.case import KIND
from roundsman.monitor.page_roll import PagesSetUp
from roundsman.monitor.staleness import KIND as STALE
from roundsman.repositories.alerts import Alert, AlertRepository
from roundsman.repositories.conversation_tables import messages
from roundsman.repositories.engine import Store
from roundsman.repositories.watch_list import AnsweringClock
from roundsman.scheduling.job import JobContext, OutcomeKind, StopToken

TARGET = timedelta(minutes=15)
PATIENCE = timedelta(seconds=11)
"""How long the newest messages of a round may be asked for; an answer of these seconds may be missed."""
SUFFERING, WELL = "100", "200"
LOG = logging.LoggerAdapter(logging.getLogger("test"), {})


@dataclass(frozen=True)
class Wait:
    """One wait as it truly was."""

    since: datetime
    answered_at: datetime | None


class Shop:
    """Two pages whose customers write and whose staff answers, now and then."""

    def __init__(self, fake: FakePancake, store: Store, clock: ManualClock, seed: int) -> None:
        self.fake, self.store, self.clock = fake, store, clock
        self.rng = random.Random(seed)
        self.said: dict[str, list[tuple[datetime, bool]]] = {}
        """By conversation: when, and whether by a customer."""
        for page_id in (SUFFERING, WELL):
            fake.add_page(page_id)
        book = PolicyBook.of_settings(AnsweringClock.HUMAN, TARGET, comments=False)
        intake = Intake(store, WatchKeeper(book))
        tokens = {page_id: Token(page.token) for page_id, page in fake.pages.items()}
        self.pancake = LivePancake(
            PancakeOptions(fake.url, tokens, None, SyncOptions()), store, intake, clock, Hurry(clock)
        )
        alerts = AlertBook(store, clock, ["console"], lambda: None)
        self.sync = DataSync(store, alerts, self.pancake)
        self.monitor = ConversationMonitor(
            store, alerts, book, StoreSource(self.pancake.rereader), PagesSetUp(lambda: None)
        )

    def close(self) -> None:
        self.pancake.close()

    def live(self, minutes: int) -> None:
        """So many minutes of life, with a sync and a round in each."""
        for _ in range(minutes):
            self.clock.advance(timedelta(seconds=self.rng.randrange(20, 60)))
            for page_id in (SUFFERING, WELL):
                if self.rng.random() < 0.25:
                    self.say(page_id, str(self.rng.randrange(5)), by_customer=self.rng.random() < 0.6)
            self.turn()

    def turn(self) -> None:
        for job in (self.sync, self.monitor):
            outcome = job.run(JobContext(self.clock, LOG, StopToken(), self.clock.now()))
            assert outcome.kind is OutcomeKind.DONE

    def say(self, page_id: str, name: str, *, by_customer: bool) -> None:
        now = self.clock.now()
        self.fake.say(page_id, name, f"m{len(self.said)}.{now.timestamp()}.{page_id}.{name}",
                      None if by_customer else staff(page_id), at=now)  # fmt: skip
        self.said.setdefault(f"{page_id}_{name}", []).append((now, by_customer))

    def waits(self) -> dict[str, list[Wait]]:
        """Every wait that there was, in truth."""
        found: dict[str, list[Wait]] = {}
        for name, lines in self.said.items():
            since: datetime | None = None
            for at, by_customer in lines:
                if by_customer:
                    since = since or at
                elif since is not None:
                    found.setdefault(name, []).append(Wait(since, at))
                    since = None
            if since is not None:
                found.setdefault(name, []).append(Wait(since, None))
        return found

    def alerts(self, kind: str) -> list[Alert]:
        with self.store.read() as connection:
            return [each for each in reversed(AlertRepository().latest(connection)) if each.kind == kind]

    def assert_all_is_well(self) -> None:
        with self.store.read() as connection:
            known = {row.message_id for row in connection.execute(messages.select())}
        assert known == truth(self.fake)
        waits = self.waits()
        assert len(self.alerts(KIND)) > 5
        for alert in self.alerts(KIND):
            (wait,) = [each for each in waits[alert.subject] if each.since == alert.since_at]
            assert alert.opened_at > wait.since + TARGET, "told too early"
            told_at = alert.opened_at - PATIENCE
            assert wait.answered_at is None or wait.answered_at > told_at, "told in vain"
        now = self.clock.now()
        late = {
            (name, wait.since)
            for name, each in waits.items()
            for wait in each
            if wait.answered_at is None and now - wait.since > TARGET
        }
        told = {(alert.subject, alert.since_at) for alert in self.alerts(KIND) if alert.status == "firing"}
        assert told == late


@pytest.fixture(params=[1, 2])
def shop(request: pytest.FixtureRequest, sqlite_store: Store, clock: ManualClock) -> Iterator[Shop]:
    with FakePancake(clock).running() as fake, closing(Shop(fake, sqlite_store, clock, request.param)) as made:
        yield made


def outage(shop: Shop) -> None:
    """Three hours without an answer, of the suffering page alone."""
    shop.fake.misbehave(Misdeed.SILENT, 10**6, page_id=SUFFERING)
    shop.live(240)


def storm(misdeed: Misdeed) -> Callable[[Shop], None]:
    def blow(shop: Shop) -> None:
        for _ in range(30):
            shop.fake.misbehave(misdeed, shop.rng.randrange(1, 8), page_id=SUFFERING)
            shop.live(2)

    return blow


def revoked(shop: Shop) -> None:
    """A token that is worth nothing for an hour, until it is worth something again."""
    shop.fake.misbehave(Misdeed.TOKEN, 10**6, page_id=SUFFERING)
    shop.live(60)


def fast_clock(shop: Shop) -> None:
    shop.fake.skew = timedelta(minutes=4)
    shop.live(40)
    shop.fake.skew = timedelta(0)


def slow_clock(shop: Shop) -> None:
    shop.fake.skew = timedelta(minutes=-4)
    shop.live(40)
    shop.fake.skew = timedelta(0)


FAULTS: dict[str, tuple[Callable[[Shop], None], int | None]] = {
    # what happens, and how many staleness alerts it leads to; None: it depends on how long the storm lasts
    "a storm of 429": (storm(Misdeed.TOO_MANY), None),
    "success:false": (storm(Misdeed.REFUSED), None),
    "cut JSON": (storm(Misdeed.CUT), None),
    "resets": (storm(Misdeed.RESET), None),
    "an outage of three hours": (outage, 1),
    "a revoked token": (revoked, 1),
    "a clock ahead": (fast_clock, 0),
    "a clock behind": (slow_clock, 0),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_nobody_is_accused_wrongly_and_nobody_is_forgotten(shop: Shop, fault: str) -> None:
    happen, stale = FAULTS[fault]
    shop.live(20)
    happen(shop)
    shop.fake.behave()
    shop.clock.advance(timedelta(hours=6))  # the longest rest after a failure
    for _ in range(3):
        shop.turn()
    shop.live(20)
    shop.turn()
    shop.assert_all_is_well()
    assert {alert.subject for alert in shop.alerts(STALE)} <= {SUFFERING}
    assert all(alert.status == "resolved" for alert in shop.alerts(STALE))
    if stale is not None:
        assert len(shop.alerts(STALE)) == stale
