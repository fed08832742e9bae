"""News of a live source: whatever their order, their batches and their repetitions, the watch list is the same."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from chats import NOW, PAGE, Desk, ago, export, page, policies
from deliveries import Copy, as_batch, as_export, delivered, history, newest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete

from roundsman.clock import ManualClock
from roundsman.conversations.intake import Batch, Intake, Taken
from roundsman.conversations.keeper import WatchKeeper
from roundsman.errors import StoreError
from roundsman.repositories.conversation_tables import (
    conversations,
    messages,
    observations,
    page_syncs,
    pages,
    set_aside,
    watch_list,
)
from roundsman.repositories.conversations import Conversation, ConversationRepository, MessageRecord, Page
from roundsman.repositories.engine import Store
from roundsman.repositories.observations import ObservationRepository
from roundsman.repositories.page_syncs import PageSyncRepository
from roundsman.repositories.watch_list import WatchRow

BOOK = policies(warn_before=timedelta(minutes=5))
LAN = ("u1", "Lan")


def chat(name: str = "1", **facts: Any) -> Conversation:
    return Conversation(f"{PAGE}_{name}", PAGE, "INBOX", f"Customer {name}")._replace(**facts)


def said(message_id: str, minutes_ago: float, name: str = "1", *, staff: bool = False, **facts: Any) -> MessageRecord:
    who = LAN if staff else (name, f"Customer {name}")
    return MessageRecord(
        message_id, f"{PAGE}_{name}", ago(minutes_ago), *who, is_system=False, is_staff=staff, is_automated=False
    )._replace(**facts)


class Sync(Desk):
    """A store that is fed by a live source."""

    def __init__(self, store: Store, clock: ManualClock, folder: Path) -> None:
        super().__init__(store, clock, folder)
        self.book = BOOK
        self.intake = Intake(store, WatchKeeper(BOOK))

    def bring(self, *, progress: Any = None, **news: Sequence[Any]) -> Taken:
        return self.intake.take(Batch(**news), self.clock.now(), progress)

    def observed(self, name: str = "1") -> list[Any]:
        with self.store.read() as connection:
            return ObservationRepository().of(connection, f"{PAGE}_{name}")

    def forget(self) -> None:
        with self.store.write() as connection:
            for table in (conversations, messages, observations, page_syncs, pages, set_aside, watch_list):
                connection.execute(delete(table))


@pytest.fixture
def sync(store: Store, clock: ManualClock, tmp_path: Path) -> Sync:
    return Sync(store, clock, tmp_path)


@pytest.fixture
def sqlite_sync(sqlite_store: Store, clock: ManualClock, tmp_path: Path) -> Sync:
    return Sync(sqlite_store, clock, tmp_path)


# --- one batch ---


def test_a_batch_is_stored_and_its_customer_watched(sync: Sync) -> None:
    taken = sync.bring(pages=[Page(PAGE)], conversations=[chat()], messages=[said("m1", 3), said("m2", 2)])
    assert (taken.pages.new, taken.conversations.new, taken.messages.new) == (1, 1, 2)
    assert taken.messages.written == {"m1", "m2"}
    row = sync.rows()["100_1"]
    assert (row.waiting_since, row.due_at, row.level) == (ago(3), ago(-7), 0)


def test_news_that_say_nothing_new_write_nothing(sync: Sync) -> None:
    sync.bring(conversations=[chat()], messages=[said("m1", 3)])
    taken = sync.bring(conversations=[chat()], messages=[said("m1", 3)])
    assert (taken.conversations.unchanged, taken.messages.unchanged) == (1, 1)
    assert len(sync.observed()) == 1


def test_an_answer_takes_the_customer_off_the_list(sync: Sync) -> None:
    sync.bring(conversations=[chat()], messages=[said("m1", 3)])
    sync.bring(messages=[said("m2", 1, staff=True)])
    assert sync.rows() == {}
    assert [each.waiting_since for each in sync.observed()] == [ago(3), None]


def test_messages_of_conversations_that_nobody_knows_are_not_taken_and_named(sync: Sync) -> None:
    taken = sync.bring(conversations=[chat("1")], messages=[said("m1", 3), said("m2", 3, name="2")])
    assert taken.homeless == ("m2",)
    assert taken.messages.written == {"m1"}
    assert sync.rows().keys() == {"100_1"}
    assert sync.bring(conversations=[chat("2")], messages=[said("m2", 3, name="2")]).homeless == ()
    assert sync.rows().keys() == {"100_1", "100_2"}


def test_a_tag_alone_moves_no_clock_and_may_exclude(sync: Sync) -> None:
    sync.bring(conversations=[chat()], messages=[said("m1", 3)])
    sync.bring(conversations=[chat(tags=("VIP",), source_updated_at=NOW)])
    assert (sync.rows()["100_1"].waiting_since, sync.rows()["100_1"].due_at) == (ago(3), ago(-7))
    sync.bring(conversations=[chat(tags=("Spam",), source_updated_at=ago(-1))])
    assert (sync.rows()["100_1"].waiting_since, sync.rows()["100_1"].due_at) == (ago(3), None)


def test_an_older_copy_changes_nothing(sync: Sync) -> None:
    sync.bring(conversations=[chat()], messages=[said("m1", 3, is_removed=True, source_updated_at=ago(1))])
    taken = sync.bring(messages=[said("m1", 3, source_updated_at=ago(2))])
    assert taken.messages.unchanged == 1
    assert sync.rows() == {}


def test_a_page_that_changes_is_looked_at_again(sync: Sync) -> None:
    sync.bring(pages=[Page(PAGE)], conversations=[chat()], messages=[said("m1", 3)])
    sync.bring(pages=[Page(PAGE, is_synced=False, source_updated_at=NOW)])
    assert sync.rows()["100_1"].due_at == NOW


def test_the_checkpoint_is_stored_with_its_batch_or_not_at_all(sync: Sync) -> None:
    syncs = PageSyncRepository()

    def advance(connection: Connection) -> None:
        syncs.advance(connection, PAGE, "pancake", fresh_at=NOW, checkpoint={"until": 7})

    def fail(connection: Connection) -> None:
        advance(connection)
        raise StoreError("The disk is full.")

    with pytest.raises(StoreError):
        sync.bring(conversations=[chat()], messages=[said("m1", 3)], progress=fail)
    with sync.store.read() as connection:
        assert syncs.all(connection) == {}
        assert ConversationRepository().is_empty(connection)
    assert sync.rows() == {}
    sync.bring(conversations=[chat()], messages=[said("m1", 3)], progress=advance)
    with sync.store.read() as connection:
        assert syncs.all(connection)[PAGE].checkpoint == {"until": 7}


# --- any order ---


def settled(sync: Sync, copies: Sequence[Copy]) -> tuple[dict[str, WatchRow], Any]:
    """The watch list, and what is known of the conversations."""
    ids = sorted({copy.document["conversationId"] for copy in copies})
    with sync.store.read() as connection:
        watched = ConversationRepository().watched(connection, ids)
        threads = ConversationRepository().threads(connection, ids)
    return sync.rows(), {each: (watched[each], sorted(threads[each])) for each in ids}


def in_order(sync: Sync, copies: Sequence[Copy]) -> tuple[dict[str, WatchRow], Any]:
    sync.forget()
    sync.take(export(pages=[page()]))
    sync.intake.take(as_batch(newest(copies)), sync.clock.now())
    return settled(sync, copies)


def in_any_order(sync: Sync, copies: Sequence[Copy], rng: Random, imported: float) -> tuple[dict[str, WatchRow], Any]:
    sync.forget()
    sync.take(export(pages=[page()]))
    homeless: set[str] = set()
    for batch in delivered(rng, copies):
        if rng.random() < imported:
            sync.take(as_export(batch))
        else:
            homeless.update(sync.intake.take(as_batch(batch), sync.clock.now()).homeless)
    # What had no home is asked for once more, as a sync does
    again = [copy for copy in newest(copies) if copy.key in homeless]
    assert sync.intake.take(as_batch(again), sync.clock.now()).homeless == ()
    return settled(sync, copies)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rng=st.randoms(use_true_random=False), imported=st.sampled_from([0.0, 0.0, 0.5, 1.0]))
def test_any_order_any_batches_and_any_repetition_give_the_same_rows(
    sqlite_sync: Sync, rng: Random, imported: float
) -> None:
    copies = history(rng)
    assert in_any_order(sqlite_sync, copies, rng, imported) == in_order(sqlite_sync, copies)


@pytest.mark.parametrize("seed", range(6))
def test_so_it_is_on_both_databases(sync: Sync, seed: int) -> None:
    rng = Random(seed)
    copies = history(rng)
    assert in_any_order(sync, copies, rng, imported=seed % 3 / 2) == in_order(sync, copies)
