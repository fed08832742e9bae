"""The last look before an alert: what Pancake knows at that moment, in seconds, and the reason where that fails."""

import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from fake_pancake import USER_TOKEN, FakePancake, Misdeed
from pancake_bench import PAGE, Bench, Hurry, staff

from jobs.conversation_monitor import ConversationMonitor
from roundsman.alerts.book import AlertBook
from roundsman.clock import ManualClock
from roundsman.conversations.intake import Batch
from roundsman.conversations.pancake.directory import PageDirectory
from roundsman.conversations.pancake.rereader import PancakeRereader
from roundsman.conversations.pancake.token import Token
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.source import Reread, StoreSource
from roundsman.monitor.page_roll import PagesSetUp
from roundsman.repositories.alerts import AlertRepository
from roundsman.repositories.conversations import Conversation
from roundsman.repositories.engine import Store
from roundsman.repositories.watch_list import AnsweringClock
from roundsman.scheduling.job import JobContext, StopReason, StopToken

MINUTE = timedelta(minutes=1)


class Reader:
    """A rereader beside the sync: they share the client, and so each page's pace."""

    def __init__(self, bench: Bench, *, given: bool = True, user: str | None = None) -> None:
        self.bench = bench
        tokens = {page.page_id: Token(page.token) for page in bench.fake.pages.values()} if given else {}
        self.directory = PageDirectory(
            bench.client, bench.store, bench.intake, bench.clock, tokens, Token(user) if user else None
        )
        self.rereader = PancakeRereader(
            bench.client, self.directory, bench.intake, bench.clock, pause=Hurry(bench.clock)
        )

    def ask(self, *names: str, stop: StopToken | None = None) -> Reread:
        stored = self.bench.stored()
        chosen = [stored[name] for name in names] if names else list(stored.values())
        return self.rereader.reread(chosen, self.bench.clock.now(), stop or StopToken())

    def reread(self, *names: str, stop: StopToken | None = None) -> dict[str, str]:
        return dict(self.ask(*names, stop=stop).failed)


@pytest.fixture
def fake(clock: ManualClock) -> Iterator[FakePancake]:
    with FakePancake(clock).running() as fake:
        fake.add_page()
        yield fake


@pytest.fixture
def bench(fake: FakePancake, sqlite_store: Store, clock: ManualClock) -> Iterator[Bench]:
    fake.say(PAGE, "1", "m1")
    with closing(Bench(fake, sqlite_store, clock)) as bench:
        bench.sync()
        yield bench


def test_an_answer_of_this_moment_is_found(bench: Bench) -> None:
    bench.fake.say(PAGE, "1", "m2", staff())
    assert Reader(bench).reread() == {}
    assert sorted(bench.messages()) == ["m1", "m2"]
    path, params = bench.fake.requests[-1]
    assert path.endswith(f"{PAGE}_1/messages")
    assert params["customer_id"] == "customer-1"


def test_several_pages_are_read_at_a_time(bench: Bench) -> None:
    for page_id in ("200", "300"):
        bench.fake.add_page(page_id)
        for number in range(8):
            bench.fake.say(page_id, str(number), f"m{page_id}-{number}")
        bench.sync(page_id)
        for number in range(8):
            bench.fake.say(page_id, str(number), f"a{page_id}-{number}", staff(page_id))
    assert Reader(bench).reread() == {}
    assert sum(name.startswith("a") for name in bench.messages()) == 16


def test_it_takes_ten_seconds_at_most_and_names_what_it_did_not_come_to(bench: Bench, clock: ManualClock) -> None:
    for number in range(2, 101):
        bench.fake.say(PAGE, str(number), f"m{number}")
    bench.sync()
    begun = clock.monotonic()
    failed = Reader(bench).reread()
    assert clock.monotonic() - begun <= 10
    assert 40 <= len(failed) <= 60
    assert set(failed.values()) == {"There was no time left to ask Pancake."}


def test_what_could_not_be_read_is_named_with_the_reason(bench: Bench) -> None:
    bench.fake.say(PAGE, "2", "m2")
    bench.sync()
    bench.fake.misbehave(Misdeed.REFUSED, 3, path=f"{PAGE}_1/messages")
    bench.fake.say(PAGE, "2", "m3", staff())
    assert Reader(bench).reread() == {f"{PAGE}_1": "Pancake refused the request: An error occurred."}
    assert "m3" in bench.messages()


def test_a_worthless_token_fails_all_of_its_page_with_one_request(bench: Bench) -> None:
    bench.fake.say(PAGE, "2", "m2")
    bench.sync()
    reader = Reader(bench)
    bench.fake.revoke(PAGE)
    bench.fake.requests.clear()
    failed = reader.reread()
    assert sorted(failed) == [f"{PAGE}_1", f"{PAGE}_2"]
    assert all("error 102" in reason for reason in failed.values())
    assert len(bench.fake.requests) == 1


def test_of_pages_that_are_not_in_the_settings_nobody_is_asked(bench: Bench) -> None:
    bench.intake.take(Batch(conversations=[Conversation("900_1", "900", "INBOX")]), bench.clock.now())
    assert Reader(bench).ask("900_1", f"{PAGE}_1") == Reread({f"{PAGE}_1"}, {})


def test_the_list_of_pages_is_asked_for_if_nobody_has_yet(bench: Bench) -> None:
    bench.fake.say(PAGE, "1", "m2", staff())
    assert Reader(bench, given=False, user=USER_TOKEN).reread() == {}
    assert "m2" in bench.messages()
    failed = Reader(bench, given=False, user="token-of-nobody").reread()
    assert "error 101" in failed[f"{PAGE}_1"]


def test_it_ends_early_when_it_is_told_to(bench: Bench) -> None:
    stop = StopToken()
    stop.set(StopReason.SHUTDOWN)
    assert Reader(bench).reread(stop=stop) == {f"{PAGE}_1": "It was asked to stop."}


def test_nobody_is_told_of_a_customer_who_was_answered_a_moment_ago(bench: Bench, clock: ManualClock) -> None:
    policies = PolicyBook.of_settings(AnsweringClock.HUMAN, timedelta(minutes=15), comments=False)
    source = StoreSource(Reader(bench).rereader)
    book = AlertBook(bench.store, clock, ["console"], lambda: None)
    log = logging.LoggerAdapter(logging.getLogger("test"), {})

    def monitor() -> list[str]:
        ConversationMonitor(bench.store, book, policies, source, PagesSetUp(lambda: None)).run(
            JobContext(clock, log, StopToken(), clock.now())
        )
        with bench.store.read() as connection:
            return [each.subject for each in AlertRepository().open_of_kind(connection, "conversation_unreplied")]

    bench.fake.say(PAGE, "2", "late")
    bench.sync()
    clock.advance(16 * MINUTE)
    bench.sync()
    clock.advance(MINUTE / 2)
    bench.fake.say(PAGE, "1", "answer", staff())  # no sync has seen it
    assert monitor() == [f"{PAGE}_2"]
    assert "answer" in bench.messages()
