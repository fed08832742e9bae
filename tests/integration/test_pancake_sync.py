"""The sync of one page: what comes in, from where it goes on, and what it never claims to know."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from fake_pancake import Cursor, FakePancake, Misdeed
from pancake_bench import PAGE, Bench, staff, truth
from sqlalchemy import Connection

from roundsman.clock import ManualClock
from roundsman.conversations.pancake.fault import Fault, PancakeError
from roundsman.conversations.pancake.page_syncer import SKEW, Stand, SyncOptions
from roundsman.errors import StoreError
from roundsman.repositories.engine import Store
from roundsman.repositories.resyncs import Resync, ResyncRepository
from roundsman.repositories.set_aside import SetAsideRepository
from roundsman.repositories.watch_list import WatchListRepository
from roundsman.scheduling.job import StoppedError, StopReason

MINUTE = timedelta(minutes=1)


@pytest.fixture
def fake(clock: ManualClock) -> Iterator[FakePancake]:
    with FakePancake(clock).running() as fake:
        fake.add_page()
        yield fake


@pytest.fixture
def bench(fake: FakePancake, store: Store, clock: ManualClock) -> Iterator[Bench]:
    with closing(Bench(fake, store, clock)) as bench:
        yield bench


@pytest.fixture
def sqlite_bench(fake: FakePancake, sqlite_store: Store, clock: ManualClock) -> Iterator[Bench]:
    with closing(Bench(fake, sqlite_store, clock)) as bench:
        yield bench


def asked(fake: FakePancake, end: str) -> int:
    return sum(path.endswith(end) for path, _ in fake.requests)


# --- what comes in ---


def test_the_first_sync_brings_the_last_days(bench: Bench) -> None:
    bench.fake.say(PAGE, "1", "m1")
    bench.fake.say(PAGE, "1", "m2", staff())
    bench.fake.touch(
        PAGE,
        "1",
        tags=[None, {"text": "VIP"}],
        assignee_ids=["u1"],
        current_assign_users=[{"id": "u1", "name": "Lan"}],
        assignee_histories=[
            {"inserted_at": "2026-03-03T03:30:00", "payload": {"added_users": [{"id": "u1", "name": "Lan"}]}},
            {"inserted_at": "2026-03-03T03:00:00", "payload": {"added_users": [{"id": "u0"}], "deleted_users": None}},
        ],
    )
    bench.sync()
    conversation = bench.stored()[f"{PAGE}_1"].conversation
    assert (conversation.customer_name, conversation.customer_id, conversation.tags) == (
        "Customer 1",
        "customer-1",
        ("VIP",),
    )
    assert [tuple(each) for each in conversation.assignees] == [("u1", "Lan")]
    assert [each.added[0].id for each in conversation.handovers] == ["u0", "u1"]
    assert sorted(bench.messages()) == ["m1", "m2"]
    assert bench.messages()["m2"].is_staff


def test_who_waits_is_on_the_watch_list_at_once(bench: Bench) -> None:
    bench.fake.say(PAGE, "1", "m1")
    bench.sync()
    with bench.store.read() as connection:
        rows = WatchListRepository().find(connection, [f"{PAGE}_1"])
    assert rows[f"{PAGE}_1"].waiting_since == bench.messages()["m1"].sent_at


def test_older_conversations_than_the_first_sync_wants_are_left_out(
    fake: FakePancake, sqlite_store: Store, clock: ManualClock
) -> None:
    fake.say(PAGE, "old", "m1")
    clock.advance(timedelta(days=3))
    fake.say(PAGE, "new", "m2")
    with closing(Bench(fake, sqlite_store, clock, SyncOptions(first=timedelta(days=2)))) as bench:
        bench.sync()
        assert sorted(bench.messages()) == ["m2"]


def test_afterwards_only_what_changed_is_asked_for(sqlite_bench: Bench, clock: ManualClock) -> None:
    bench, fake = sqlite_bench, sqlite_bench.fake
    for number in range(5):
        fake.say(PAGE, str(number), f"m{number}")
    bench.sync()
    clock.advance(timedelta(hours=1))
    bench.sync()
    fake.requests.clear()
    clock.advance(MINUTE)
    fake.say(PAGE, "3", "m9")
    bench.sync()
    assert (asked(fake, "/conversations"), asked(fake, "/messages")) == (1, 1)
    assert bench.messages().keys() == truth(fake)


def test_what_changed_is_read_once_more_after_it_has_settled_and_then_left_alone(
    sqlite_bench: Bench, clock: ManualClock
) -> None:
    bench, fake = sqlite_bench, sqlite_bench.fake
    fake.lag = timedelta(seconds=15)
    fake.whole_seconds = True
    bench.sync()
    fake.say(PAGE, "1", "m1")
    bench.sync()
    assert bench.messages() == {}
    readings = []
    for _ in range(4):
        clock.advance(MINUTE)
        fake.requests.clear()
        bench.sync()
        readings.append(asked(fake, "/messages"))
    assert readings == [1, 0, 0, 0]
    assert bench.messages().keys() == {"m1"}


def test_long_threads_are_read_back_to_what_is_known(sqlite_bench: Bench, clock: ManualClock) -> None:
    bench, fake = sqlite_bench, sqlite_bench.fake
    for number in range(100):
        clock.advance(timedelta(seconds=1))
        fake.say(PAGE, "1", f"m{number}")
    bench.sync()
    assert bench.messages().keys() == truth(fake)
    clock.advance(timedelta(hours=1))
    bench.sync()
    clock.advance(timedelta(hours=1))
    for number in range(100, 145):
        clock.advance(timedelta(seconds=1))
        fake.say(PAGE, "1", f"m{number}")
    fake.requests.clear()
    bench.sync()
    assert bench.messages().keys() == truth(fake)
    assert asked(fake, "/messages") == 2


def test_messages_that_come_late_under_an_old_time_are_found(sqlite_bench: Bench, clock: ManualClock) -> None:
    bench, fake = sqlite_bench, sqlite_bench.fake
    fake.say(PAGE, "1", "first")
    bench.sync()
    clock.advance(timedelta(hours=3))
    bench.sync()
    for number in range(40):
        fake.say(PAGE, "1", f"late{number}", at=clock.now() - timedelta(hours=2, minutes=number))
    bench.sync()
    assert bench.messages().keys() == truth(fake)


def test_a_removed_message_is_taken_as_removed(sqlite_bench: Bench, clock: ManualClock) -> None:
    bench, fake = sqlite_bench, sqlite_bench.fake
    message = fake.say(PAGE, "1", "m1")
    bench.sync()
    clock.advance(MINUTE)
    message["is_removed"] = True
    fake.touch(PAGE, "1")
    bench.sync()
    assert bench.messages()["m1"].is_removed


def test_a_broken_message_or_conversation_is_set_aside_and_the_rest_comes_in(sqlite_bench: Bench) -> None:
    bench, fake = sqlite_bench, sqlite_bench.fake
    fake.say(PAGE, "1", "good")
    broken = fake.say(PAGE, "1", "broken")
    broken["from"] = "nobody"
    fake.say(PAGE, "2", "of a broken conversation")
    fake.touch(PAGE, "2", tags="none")
    bench.sync()
    assert sorted(bench.messages()) == ["good"]
    with bench.store.read() as connection:
        sentences = [each.sentence for each in SetAsideRepository().all(connection)]
    assert sentences == [
        "pancake_conversations 100_2: tags is not an array but a text; the conversation was set aside.",
        "pancake_messages broken: from is not an object but a text; the message was set aside.",
    ]
    broken["from"] = {"id": "1"}
    fake.touch(PAGE, "2", tags=[])
    fake.touch(PAGE, "1")
    bench.sync()
    with bench.store.read() as connection:
        assert SetAsideRepository().all(connection) == []
    assert bench.messages().keys() == truth(fake)


@pytest.mark.parametrize("count", [55, 60, 61, 125])
@pytest.mark.parametrize("cursor", list(Cursor))
def test_full_answers_hide_nothing(sqlite_bench: Bench, clock: ManualClock, count: int, cursor: Cursor) -> None:
    bench, fake = sqlite_bench, sqlite_bench.fake
    fake.cursor = cursor
    bench.sync()
    for number in range(count):
        clock.advance(timedelta(seconds=2))
        fake.say(PAGE, str(number), f"m{number}")
    bench.sync()
    assert bench.messages().keys() == truth(fake)


@pytest.mark.parametrize("count", [55, 60, 61])
def test_so_many_changes_within_one_second_hide_nothing(sqlite_bench: Bench, count: int) -> None:
    for number in range(count):
        sqlite_bench.fake.say(PAGE, str(number), f"m{number}")
    sqlite_bench.sync()
    assert sqlite_bench.messages().keys() == truth(sqlite_bench.fake)


# --- the watermark ---


def test_it_is_the_moment_before_the_first_request(bench: Bench, clock: ManualClock) -> None:
    for number in range(50):
        bench.fake.say(PAGE, str(number), f"m{number}")
    before = clock.now()
    bench.sync()
    assert clock.now() > before
    assert bench.fresh_at() == before


def test_there_is_none_before_a_round_is_complete(sqlite_bench: Bench) -> None:
    for number in range(60):
        sqlite_bench.fake.say(PAGE, str(number), f"m{number}")
    assert sqlite_bench.advance(seconds=40) is Stand.MORE
    assert sqlite_bench.fresh_at() is None
    assert 0 < len(sqlite_bench.messages()) < 60


@pytest.mark.parametrize("minutes", [-10, -9, 9, 10])
def test_a_clock_of_pancakes_that_is_wrong_loses_nothing(sqlite_bench: Bench, clock: ManualClock, minutes: int) -> None:
    bench, fake = sqlite_bench, sqlite_bench.fake
    fake.skew = timedelta(minutes=minutes)
    for number in range(12):
        fake.say(PAGE, str(number), f"m{number}")
        bench.sync()
        assert bench.messages().keys() == truth(fake)
        fresh_at = bench.fresh_at()
        assert fresh_at is not None
        assert fresh_at <= clock.now()
        clock.advance(MINUTE)


def test_a_clock_of_ours_that_was_ahead_is_not_believed_any_more(sqlite_bench: Bench, clock: ManualClock) -> None:
    bench, fake = sqlite_bench, sqlite_bench.fake
    clock.jump(timedelta(days=1))
    fake.skew = -timedelta(days=1)
    bench.sync()
    clock.jump(-timedelta(days=1))
    fake.skew = timedelta(0)
    fake.say(PAGE, "1", "m1")
    before = clock.now()
    bench.sync()
    assert bench.messages().keys() == {"m1"}
    assert bench.fresh_at() == before


def test_an_outage_of_three_hours_loses_nothing(sqlite_bench: Bench, clock: ManualClock) -> None:
    bench, fake = sqlite_bench, sqlite_bench.fake
    bench.sync()
    known = bench.fresh_at()
    fake.away_until = clock.now() + timedelta(hours=3)
    for number in range(90):
        fake.say(PAGE, str(number % 70), f"m{number}")
        clock.advance(timedelta(minutes=2))
        if number < 85:
            with pytest.raises(PancakeError) as caught:
                bench.sync()
            assert caught.value.fault is Fault.TEMPORARY
            assert bench.fresh_at() == known
    clock.advance(timedelta(minutes=5))
    bench.sync()
    assert bench.messages().keys() == truth(fake)


# --- interruptions ---


class Killed(BaseException):
    """Stands for kill -9: nothing catches it, and nothing is tidied up."""


@contextmanager
def killed_at(store: Store, monkeypatch: pytest.MonkeyPatch, commit: int) -> Iterator[list[int]]:
    """The process dies in the middle of the transaction of this number."""
    begun = [0]
    write: Callable[..., AbstractContextManager[Connection]] = store.write

    @contextmanager
    def dying(*args: Any, **options: Any) -> Iterator[Connection]:
        begun[0] += 1
        with write(*args, **options) as connection:
            yield connection
            if begun[0] == commit:
                raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(store, "write", dying)
        yield begun


def test_killed_in_any_transaction_it_goes_on_from_the_one_before(
    fake: FakePancake, sqlite_store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(90):
        fake.say(PAGE, str(number), f"m{number}")
        clock.advance(MINUTE)
    kills = 0
    with closing(Bench(fake, sqlite_store, clock)) as bench:
        for commit in range(1, 100):
            fake.requests.clear()
            with killed_at(sqlite_store, monkeypatch, 2 if commit > 1 else 1) as begun:
                try:
                    bench.sync()
                except Killed:
                    kills += 1
                    # all that was committed is whole: no conversation without its messages
                    assert {each.conversation_id for each in bench.messages().values()} == bench.stored().keys()
                    continue
            assert begun[0] >= 1
            break
        assert kills >= 4
        assert bench.messages().keys() == truth(fake)
        # each life after the first read one batch for good and one in vain
        assert asked(fake, "/messages") <= 40
        assert bench.fresh_at() is not None


def test_a_full_disk_is_no_progress(sqlite_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    sqlite_bench.fake.say(PAGE, "1", "m1")

    def full(*_: Any, **__: Any) -> None:
        raise StoreError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_bench.store, "write", full)
        with pytest.raises(StoreError):
            sqlite_bench.sync()
    sqlite_bench.sync()
    assert sqlite_bench.messages().keys() == {"m1"}


def test_it_stops_when_it_is_told_to_and_goes_on_later(sqlite_bench: Bench) -> None:
    bench = sqlite_bench
    for number in range(60):
        bench.fake.say(PAGE, str(number), f"m{number}")
    pause = bench.pause
    waits = 0

    def stopping(stop: Any, seconds: float) -> bool:
        nonlocal waits
        waits += 1
        if waits == 20:
            stop.set(StopReason.SHUTDOWN)
        return pause(stop, seconds)

    bench.pause = stopping  # type: ignore[assignment]
    with pytest.raises(StoppedError):
        bench.sync()
    assert bench.fresh_at() is None if bench.stored() else True
    stored = len(bench.messages())
    bench.stop = type(bench.stop)()
    bench.pause = pause
    bench.sync()
    assert stored < 60
    assert bench.messages().keys() == truth(bench.fake)


# --- what cannot be read ---


def test_one_conversation_that_pancake_cannot_tell_of_is_read_later(sqlite_bench: Bench, clock: ManualClock) -> None:
    bench, fake = sqlite_bench, sqlite_bench.fake
    for number in range(10):
        fake.say(PAGE, str(number), f"m{number}")
    # twice three attempts: it lies on the edge between two slices
    fake.misbehave(Misdeed.REFUSED, 6, path=f"{PAGE}_4/messages")
    bench.sync()
    assert bench.messages().keys() == truth(fake) - {"m4"}
    assert bench.fresh_at() is not None
    with bench.store.read() as connection:
        (later,) = ResyncRepository().next_of(connection, PAGE, 10)
    assert (later.conversation_id, later.reason) == (
        f"{PAGE}_4",
        "Its messages could not be read. Pancake refused the request: An error occurred.",
    )
    clock.advance(timedelta(hours=3))
    bench.sync()
    assert bench.messages().keys() == truth(fake)
    with bench.store.read() as connection:
        assert ResyncRepository().next_of(connection, PAGE, 10) == []


def test_several_of_them_are_a_failure_of_the_page(sqlite_bench: Bench) -> None:
    for number in range(10):
        sqlite_bench.fake.say(PAGE, str(number), f"m{number}")
    sqlite_bench.fake.misbehave(Misdeed.CUT, 1000, path="/messages")
    with pytest.raises(PancakeError) as caught:
        sqlite_bench.sync()
    assert caught.value.fault is Fault.BROKEN


def test_a_conversation_that_was_deleted_meanwhile_holds_up_nothing(sqlite_bench: Bench) -> None:
    bench, fake = sqlite_bench, sqlite_bench.fake
    fake.say(PAGE, "1", "m1")
    fake.say(PAGE, "2", "m2")
    listed = fake.pages[PAGE].conversations[f"{PAGE}_2"]
    answers = bench.client.conversations

    def then_deleted(*args: Any, **options: Any) -> Any:
        found = answers(*args, **options)
        fake.pages[PAGE].conversations.pop(listed["id"], None)
        return found

    bench.client.conversations = then_deleted  # type: ignore[method-assign]
    bench.sync()
    assert sorted(bench.messages()) == ["m1"]


def test_what_was_asked_for_goes_first(sqlite_bench: Bench, clock: ManualClock) -> None:
    bench, fake = sqlite_bench, sqlite_bench.fake
    fake.say(PAGE, "1", "m1")
    bench.sync()
    clock.advance(timedelta(hours=2))
    bench.sync()
    # Pancake has a message of which its list of changes does not know
    message = fake.say(PAGE, "1", "m2")
    fake.pages[PAGE].conversations[f"{PAGE}_1"]["_updated"] = message["_at"] - timedelta(hours=1)
    with bench.store.write() as connection:
        wanted = [Resync(f"{PAGE}_1", PAGE, clock.now(), "needsPrioritySync"), Resync("?", PAGE, clock.now(), "typo")]
        ResyncRepository().ask(connection, wanted)
    fake.requests.clear()
    bench.sync()
    assert fake.requests[0][0].endswith(f"{PAGE}_1/messages")
    assert bench.messages().keys() == {"m1", "m2"}
    with bench.store.read() as connection:
        assert ResyncRepository().next_of(connection, PAGE, 10) == []


def test_a_page_that_is_gone_says_so(sqlite_bench: Bench) -> None:
    access = sqlite_bench.access()
    sqlite_bench.fake.delete_page(PAGE)
    with pytest.raises(PancakeError) as caught:
        sqlite_bench.syncer.advance(access, sqlite_bench.errand(), sqlite_bench.counts, 60)
    assert caught.value.fault is Fault.GONE


def test_the_skew_is_no_less_than_what_a_message_may_be_ahead() -> None:
    from roundsman.conversations.waiting import FUTURE_TOLERANCE

    assert SKEW >= FUTURE_TOLERANCE
