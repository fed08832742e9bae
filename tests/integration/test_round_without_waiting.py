"""A round holds the store's write lock for a moment only, however long its source takes to answer."""

import os
import signal
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from chats import ago, conversation, export, message, page, staff
from mongo_desk import MongoDesk
from mongo_server import MongoPlace
from rounds import Rounds, levels, while_it_reads

from roundsman.clock import ManualClock
from roundsman.conversations.mongo.source import MongoSource
from roundsman.conversations.source import Reread
from roundsman.repositories.conversations import WatchedConversation
from roundsman.repositories.engine import Store, StoreOptions
from roundsman.repositories.page_syncs import PageSyncRepository
from roundsman.scheduling.job import StopToken


class FreezingSource(MongoSource):
    """Its server stands still (SIGSTOP) from the moment at which the round has asked for the newest messages."""

    def __init__(self, desk: MongoDesk) -> None:
        super().__init__(desk.database)
        self.pid = int((desk.place.server.folder / "mongo.pid").read_text())
        self.stands_still = threading.Event()

    def reread(self, conversations: Sequence[WatchedConversation], now: datetime, stop: StopToken) -> Reread:
        found = super().reread(conversations, now, stop)
        os.kill(self.pid, signal.SIGSTOP)
        self.stands_still.set()
        return found

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


@pytest.mark.mongo
def test_a_mongod_that_stands_still_keeps_nobody_from_writing(
    sqlite_store: Store, own_mongo: MongoPlace, clock: ManualClock, tmp_path: Path
) -> None:
    with MongoDesk(sqlite_store, own_mongo, clock) as desk:
        own_mongo.fill(export(pages=[page()]))
        desk.write("fb_conversations", conversation("1"))
        desk.write("fb_message_items", message("m1", ago(20), name="1"))
        desk.sync()
        source = FreezingSource(desk)
        rounds = Rounds(sqlite_store, clock, tmp_path, levels(15), source)
        walker = threading.Thread(target=rounds.walk)
        impatient = Store(StoreOptions(sqlite_store.options.url, busy_timeout_ms=200))
        walker.start()
        try:
            assert source.stands_still.wait(30)
            walker.join(1)
            assert walker.is_alive()  # it waits for an answer
            with impatient.write() as connection:  # raises if the file is locked
                PageSyncRepository().forget(connection, ["another page"])
            assert walker.is_alive()
        finally:
            source.go_on()
            walker.join(30)
            impatient.close()
        assert [each.fingerprint for each in rounds.alerts()] == ["conversation_unreplied:100_1"]


def test_who_was_answered_while_the_source_was_read_is_not_told_of(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    """What was read is older than the answer; the row that the answer has changed says so."""
    desk = Rounds(store, clock, tmp_path, levels(15))
    desk.take(export(messages=[message("m1", ago(20)), message("m2", ago(20), name="2")]))
    with while_it_reads(lambda: desk.take(export(messages=[message("a1", ago(1), staff())]))):
        assert desk.walk() == {"checked": 1, "late": 1, "opened": 1}
    assert [each.fingerprint for each in desk.alerts()] == ["conversation_unreplied:100_2"]
    assert desk.rows().keys() == {"100_2"}


def test_a_wait_that_changed_meanwhile_is_judged_at_the_next_round(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    desk = Rounds(store, clock, tmp_path, levels(15))
    desk.take(export(messages=[message("m1", ago(20))]))
    with while_it_reads(lambda: desk.take(export(messages=[message("m0", ago(50))]))):  # an older message comes late
        assert desk.walk() == {}
    assert desk.walk() == {"checked": 1, "late": 1, "opened": 1}
    assert [each.since_at for each in desk.alerts()] == [ago(50)]
