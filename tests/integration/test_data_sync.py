"""The job that syncs all pages: many at a time, each for itself, and what it tells people."""

import base64
import json
import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest
from fake_pancake import USER_TOKEN, FakePancake, Misdeed
from pancake_bench import PAGE, Hurry, truth

from jobs.data_sync import DataSync
from roundsman.alerts.book import AlertBook
from roundsman.clock import ManualClock
from roundsman.conversations.intake import Batch, Intake
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.pancake.live import LivePancake, PancakeOptions
from roundsman.conversations.pancake.page_syncer import SyncOptions
from roundsman.conversations.pancake.token import Token
from roundsman.conversations.policies.book import PolicyBook
from roundsman.repositories.alerts import Alert, AlertRepository
from roundsman.repositories.conversation_tables import messages, page_syncs
from roundsman.repositories.conversations import ConversationRepository, Page
from roundsman.repositories.engine import Store
from roundsman.repositories.page_syncs import PageSync, PageSyncRepository
from roundsman.repositories.watch_list import AnsweringClock
from roundsman.scheduling.job import JobContext, OutcomeKind, StoppedError, StopReason, StopToken

MINUTE = timedelta(minutes=1)


def jwt(expires_at: datetime) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": int(expires_at.timestamp())}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{claims}.signature"


class Office:
    """The job over a fake and a store; each run is one tick, and each office one process."""

    def __init__(
        self, fake: FakePancake, store: Store, clock: ManualClock, tokens: dict[str, str], user: str | None = None
    ) -> None:
        self.fake, self.store, self.clock = fake, store, clock
        self.woken = 0
        policies = PolicyBook.of_settings(AnsweringClock.HUMAN, timedelta(minutes=15), comments=False)
        self.intake = Intake(store, WatchKeeper(policies))
        options = PancakeOptions(
            fake.url,
            {page_id: Token(token) for page_id, token in tokens.items()},
            Token(user) if user else None,
            SyncOptions(),
        )
        self.pancake = LivePancake(options, store, self.intake, clock, Hurry(clock))
        self.job = DataSync(store, AlertBook(store, clock, ["console"], self._wake), self.pancake)

    def close(self) -> None:
        self.pancake.close()

    def run(self, stop: StopToken | None = None) -> dict[str, int]:
        log = logging.LoggerAdapter(logging.getLogger("test"), {})
        outcome = self.job.run(JobContext(self.clock, log, stop or StopToken(), self.clock.now()))
        assert outcome.kind is OutcomeKind.DONE
        return dict(outcome.counters)

    def state(self, page_id: str = PAGE) -> PageSync | None:
        with self.store.read() as connection:
            return PageSyncRepository().find(connection, page_id)

    def alerts(self, kind: str) -> dict[str, Alert]:
        with self.store.read() as connection:
            return {each.subject: each for each in AlertRepository().open_of_kind(connection, kind)}

    def message_ids(self) -> set[str]:
        with self.store.read() as connection:
            return {row.message_id for row in connection.execute(messages.select())}

    def _wake(self) -> None:
        self.woken += 1


@pytest.fixture
def fake(clock: ManualClock) -> Iterator[FakePancake]:
    with FakePancake(clock).running() as fake:
        fake.add_page()
        yield fake


def office(fake: FakePancake, store: Store, clock: ManualClock, **options: Any) -> "closing[Office]":
    tokens = options.pop("tokens", {page.page_id: page.token for page in fake.pages.values()})
    return closing(Office(fake, store, clock, tokens, **options))


def test_all_pages_come_in_and_the_ledger_learns_how_much(fake: FakePancake, store: Store, clock: ManualClock) -> None:
    for page_id in ("200", "300"):
        fake.add_page(page_id)
    for page_id in fake.pages:
        for number in range(3):
            fake.say(page_id, f"{number}", f"m{page_id}-{number}")
    with office(fake, store, clock) as desk:
        for _ in range(10):
            counters = desk.run()
            if desk.message_ids() == truth(fake) and counters["pages"] == 3:
                break
        assert desk.message_ids() == truth(fake)
        assert set(counters) == {"pages", "conversations", "messages", "requests", "failed_pages"}
        assert counters["failed_pages"] == 0
        clock.advance(MINUTE)
        desk.run()
        clock.advance(MINUTE)
        quiet = desk.run()
    assert quiet == {"pages": 3, "conversations": 0, "messages": 0, "requests": 3, "failed_pages": 0}


def test_one_page_in_trouble_holds_up_no_other(fake: FakePancake, sqlite_store: Store, clock: ManualClock) -> None:
    for number in range(12):
        fake.add_page(f"2{number:02}")
    for page_id in fake.pages:
        fake.say(page_id, "1", f"m{page_id}")
    fake.misbehave(Misdeed.REFUSED, 100_000, page_id="205")
    with office(fake, sqlite_store, clock) as desk:
        for _ in range(30):
            desk.run()
            clock.advance(MINUTE)
        assert desk.message_ids() == truth(fake) - {"m205"}
        stuck = desk.state("205")
        assert stuck is not None
        assert (stuck.fresh_at, stuck.error) == (None, "Pancake refused the request: An error occurred.")
        assert 3 <= stuck.failures <= 15  # in half an hour: it is left alone longer and longer
        assert stuck.retry_at is not None
        fake.behave()
        clock.advance(timedelta(minutes=11))
        for _ in range(5):
            desk.run()
        assert desk.message_ids() == truth(fake)
        mended = desk.state("205")
    assert mended is not None
    assert (mended.failures, mended.error, mended.retry_at, mended.failing_since) == (0, None, None, None)


def test_trouble_that_passes_is_told_to_nobody(fake: FakePancake, sqlite_store: Store, clock: ManualClock) -> None:
    with office(fake, sqlite_store, clock) as desk:
        fake.away_until = clock.now() + timedelta(hours=4)  # what a run waits for is time as well
        while clock.now() < fake.away_until - timedelta(hours=1):
            desk.run()
            clock.advance(MINUTE)
        assert desk.alerts("sync_failed") == {}
        state = desk.state()
        assert state is not None
        assert (state.error or "").startswith("Pancake was not reached: ")
        assert state.failing_since is not None


def test_a_revoked_token_is_told_once_and_its_end_too(fake: FakePancake, store: Store, clock: ManualClock) -> None:
    with office(fake, store, clock, user=USER_TOKEN) as desk:
        for _ in range(3):
            desk.run()
        fake.revoke(PAGE)
        for _ in range(60):
            clock.advance(MINUTE)
            desk.run()
        (alert,) = desk.alerts("sync_failed").values()
        assert alert.subject == PAGE
        assert alert.annotations["page_name"] == "Shop 100"
        assert "error 102" in alert.annotations["last_error"]
        assert fake.tokens_made == 1  # the one of this test
        state = desk.state()
        assert state is not None
        assert 2 <= state.failures <= 7
    with office(fake, store, clock) as desk:  # a new token in the settings
        with store.write() as connection:
            PageSyncRepository().retry_now(connection, [PAGE])
        for _ in range(3):
            desk.run()
        assert desk.alerts("sync_failed") == {}


def test_a_token_that_is_refused_once_silences_nothing(
    fake: FakePancake, sqlite_store: Store, clock: ManualClock
) -> None:
    with office(fake, sqlite_store, clock) as desk:
        for _ in range(3):
            desk.run()
        fake.misbehave(Misdeed.TOKEN, 1)
        clock.advance(MINUTE)
        assert desk.run()["failed_pages"] == 1
        fake.say(PAGE, "1", "m1")
        clock.advance(MINUTE)
        assert desk.run()["pages"] == 1
        state = desk.state()
        assert state is not None
        assert (state.fresh_at, state.failures, state.error) == (clock.now(), 0, None)
        assert desk.message_ids() == {"m1"}
        assert (desk.alerts("sync_failed"), desk.woken) == ({}, 0)


def test_a_token_that_stays_refused_is_told_at_the_second_time_and_then_asked_seldom(
    fake: FakePancake, sqlite_store: Store, clock: ManualClock
) -> None:
    with office(fake, sqlite_store, clock) as desk:
        for _ in range(3):
            desk.run()
        before = desk.state()
        fake.misbehave(Misdeed.TOKEN, 1000)
        failed, began_at = [], clock.now()
        for minute in range(1, 60):
            clock.advance(MINUTE)
            failed += [minute] if desk.run()["failed_pages"] else []
            assert len(desk.alerts("sync_failed")) == (minute > 1)
        assert failed[:2] == [1, 2]
        assert 7 <= failed[2] <= 12  # after 5 to 10 min, then 10 to 20
        assert 17 <= failed[3] <= 33
        state = desk.state()
        assert state is not None
        assert before is not None
        assert state.fresh_at == before.fresh_at  # by which it is found stale
        assert state.failing_since is not None
        assert MINUTE <= state.failing_since - began_at < 2 * MINUTE


def test_a_page_that_is_gone_is_told(fake: FakePancake, sqlite_store: Store, clock: ManualClock) -> None:
    with office(fake, sqlite_store, clock) as desk:
        fake.delete_page(PAGE)
        assert desk.run()["failed_pages"] == 1
        assert desk.alerts("sync_failed") == {}
        clock.advance(MINUTE)
        assert desk.run()["failed_pages"] == 1
        assert desk.alerts("sync_failed")[PAGE].annotations["last_error"] == (
            "Pancake refused the request (error 404): Page not found."
        )


@pytest.mark.parametrize(("days", "severity"), [(13, "medium"), (0, "high"), (-3, "high")])
def test_a_token_that_soon_expires_is_told_before(
    fake: FakePancake, sqlite_store: Store, clock: ManualClock, days: int, severity: str
) -> None:
    fake.user_token = jwt(clock.now() + timedelta(days=days, hours=12))
    with office(fake, sqlite_store, clock, user=fake.user_token) as desk:
        desk.run()
        desk.run()
        (alert,) = desk.alerts("token_expiring").values()
        assert (alert.subject, alert.annotations["days"], alert.severity) == ("user token", max(days, 0), severity)
    fake.user_token = jwt(clock.now() + timedelta(days=90))
    with office(fake, sqlite_store, clock, user=fake.user_token) as desk:
        desk.run()
        assert desk.alerts("token_expiring") == {}


def test_a_worthless_token_of_the_user_is_told_and_pages_with_their_own_go_on(
    fake: FakePancake, sqlite_store: Store, clock: ManualClock
) -> None:
    fake.say(PAGE, "1", "m1")
    with office(fake, sqlite_store, clock, user="another-token-of-a-user") as desk:
        for _ in range(4):
            desk.run()
        assert desk.message_ids() == {"m1"}
        assert list(desk.alerts("sync_failed")) == ["user token"]


def test_without_named_pages_all_of_the_user_are_synced(
    fake: FakePancake, sqlite_store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    fake.add_page("200", "Hoa Mai")
    fake.say("200", "1", "m1")
    with office(fake, sqlite_store, clock, tokens={}, user=USER_TOKEN) as desk:
        for _ in range(4):
            desk.run()
        assert desk.message_ids() == {"m1"}
        with sqlite_store.read() as connection:
            assert ConversationRepository().pages(connection)["200"] == Page("200", "Hoa Mai", "shop200")
    fake.shows_page_tokens = False
    with office(fake, sqlite_store, clock, tokens={}, user=USER_TOKEN) as desk:
        assert desk.run()["pages"] == 0
    assert "2 pages are not synced, as the list shows no token for them: 100, 200" in caplog.text


def test_names_are_taken_over_and_whether_a_page_is_synced_is_not(
    fake: FakePancake, sqlite_store: Store, clock: ManualClock
) -> None:
    fake.say(PAGE, "1", "m1")
    with office(fake, sqlite_store, clock, user=USER_TOKEN) as desk:
        desk.intake.take(Batch(pages=[Page(PAGE, is_synced=False)]), clock.now())
        desk.run()
        assert desk.message_ids() == set()
        with sqlite_store.read() as connection:
            assert ConversationRepository().pages(connection)[PAGE] == Page(
                PAGE, "Shop 100", "shop100", is_synced=False
            )


def test_a_page_that_is_not_synced_any_more_grows_stale_no_more(
    fake: FakePancake, sqlite_store: Store, clock: ManualClock
) -> None:
    with office(fake, sqlite_store, clock) as desk:
        for _ in range(3):
            desk.run()
        assert desk.state() is not None
        desk.intake.take(Batch(pages=[Page(PAGE, is_synced=False)]), clock.now())
        desk.run()
        assert desk.state() is None


def test_a_run_ends_in_its_time_and_the_next_one_goes_on(
    fake: FakePancake, sqlite_store: Store, clock: ManualClock
) -> None:
    for number in range(400):
        fake.say(PAGE, f"{number}", f"m{number}")
    with office(fake, sqlite_store, clock) as desk:
        runs = 0
        while desk.message_ids() != truth(fake):
            runs += 1
            begun = clock.monotonic()
            desk.run()
            assert clock.monotonic() - begun < 60
        assert runs >= 2


def test_it_stops_at_once_when_it_is_told_to(fake: FakePancake, sqlite_store: Store, clock: ManualClock) -> None:
    stop = StopToken()
    stop.set(StopReason.SHUTDOWN)
    with office(fake, sqlite_store, clock) as desk, pytest.raises(StoppedError):
        desk.run(stop)


def test_tokens_are_nowhere_in_the_store_or_the_log(
    fake: FakePancake, sqlite_store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.say(PAGE, "1", "m1")
    token = fake.pages[PAGE].token
    with office(fake, sqlite_store, clock, user=USER_TOKEN) as desk:
        desk.run()
        for misdeed in Misdeed:
            if misdeed is Misdeed.SLOW:
                continue
            fake.misbehave(misdeed, 3)
            clock.advance(timedelta(hours=2))
            desk.run()
            fake.behave()
        with sqlite_store.read() as connection:
            rows = [str(row) for row in connection.execute(page_syncs.select())]
        alerts = [str(each) for kind in ("sync_failed", "token_expiring") for each in desk.alerts(kind).values()]
    dump = "\n".join(sqlite_store.engine.raw_connection().driver_connection.iterdump())  # type: ignore[union-attr]
    whole = "\n".join([*rows, *alerts, caplog.text, dump])
    assert "was not synced" in whole
    for secret in (token, USER_TOKEN):
        assert secret not in whole
