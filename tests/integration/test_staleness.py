"""Pages whose data is too old to judge by: nothing is told but that, once, and what is late is told afterwards."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from chats import NOW, ago, conversation, export, message, page, staff
from rounds import Rounds, levels
from sqlalchemy import Connection

from roundsman.clock import ManualClock
from roundsman.conversations.source import ConversationReader, StoreSource
from roundsman.monitor.parts import MonitorParts
from roundsman.monitor.staleness import KIND, StalenessWatch
from roundsman.repositories.engine import Store
from roundsman.repositories.page_syncs import PageSyncRepository

SYNCS = PageSyncRepository()
QUESTION = export(pages=[page()], conversations=[conversation()], messages=[message("m1", ago(0))])


class Live(Rounds):
    """A desk whose page has a live source, and a monitor that lives on from round to round."""

    def __init__(self, store: Store, clock: ManualClock, folder: Path) -> None:
        super().__init__(store, clock, folder, levels(15, 60))
        self.fresh()
        self.monitor = self.new_monitor()
        self.walk()

    def fresh(self, page_id: str = "100", at: datetime | None = None) -> None:
        with self.store.write() as connection:
            SYNCS.advance(connection, page_id, "pancake", fresh_at=at or self.clock.now(), checkpoint=None)

    def failed(self, error: str = "Pancake answered 500.") -> None:
        now = self.clock.now()
        with self.store.write() as connection:
            SYNCS.failed(connection, "100", "pancake", error, retry_at=now + timedelta(minutes=1), now=now)

    def kinds(self) -> list[tuple[str, str]]:
        return [(alert.kind, alert.status) for alert in self.alerts()]


@pytest.fixture
def desk(store: Store, clock: ManualClock, tmp_path: Path) -> Live:
    return Live(store, clock, tmp_path)


def test_an_outage_is_one_alert_and_then_the_truth(desk: Live) -> None:
    desk.take(QUESTION)
    desk.walk_until(5)
    desk.failed()
    counted = desk.walk_until(55)
    assert desk.kinds() == [(KIND, "firing")]
    assert not any("opened" in each for each in counted)
    (alert,) = desk.alerts()
    assert alert.annotations["last_error"] == "Pancake answered 500."
    assert (alert.since_at, alert.annotations["data_age_minutes"]) == (NOW, 11)
    desk.fresh()
    assert desk.walk()["opened"] == 1
    stale, late = desk.alerts()
    assert (stale.status, stale.resolution) == ("resolved", "its data has caught up")
    assert late.annotations["waited_minutes"] == 60


def test_whoever_was_answered_meanwhile_is_never_told(desk: Live) -> None:
    desk.take(QUESTION)
    desk.walk_until(60)
    desk.take(export(messages=[message("m2", ago(-8), staff())]))
    desk.fresh()
    desk.walk_until(5)
    assert desk.kinds() == [(KIND, "resolved")]


def test_an_answer_that_is_known_ends_an_alert_also_on_a_stale_page(desk: Live) -> None:
    desk.take(QUESTION)
    desk.clock.advance(timedelta(minutes=16))
    desk.fresh()
    desk.walk()
    desk.clock.advance(timedelta(minutes=30))
    desk.take(export(messages=[message("m2", ago(-20), staff())]))
    assert desk.walk()["resolved"] == 1


def test_right_after_a_start_the_sync_has_its_chance(desk: Live) -> None:
    desk.take(QUESTION)
    desk.clock.advance(timedelta(hours=3))  # the daemon was down
    desk.monitor = desk.new_monitor()
    desk.walk()
    desk.walk_until(10)
    assert desk.kinds() == []
    desk.walk_until(1)
    assert desk.kinds() == [(KIND, "firing")]


def test_nothing_is_told_of_a_page_before_its_first_sync_is_through(desk: Live) -> None:
    with desk.store.write() as connection:
        SYNCS.advance(connection, "200", "pancake", fresh_at=None, checkpoint={"cursor": "x"})
    desk.take(export(messages=[message("m1", ago(0), page_id="200")]))
    desk.fresh()
    counted = desk.walk_until(9)
    counted += desk.walk_until(1)
    desk.clock.advance(timedelta(minutes=10))
    desk.fresh()
    desk.walk()
    assert desk.kinds() == []
    desk.fresh("200")
    assert desk.walk()["opened"] == 1


def test_a_page_that_is_synced_no_more_is_stale_no_more(desk: Live) -> None:
    desk.walk_until(11)
    assert desk.kinds() == [(KIND, "firing")]
    with desk.store.write() as connection:
        SYNCS.forget(connection, ["100"])
    desk.walk()
    assert [(alert.status, alert.resolution) for alert in desk.alerts()] == [("resolved", "the page is synced no more")]


def test_a_source_that_is_slow_to_tell_names_keeps_nobody_from_writing(desk: Live) -> None:
    class Slow(StoreSource):
        def reader(self, connection: Connection) -> ConversationReader:
            with desk.store.write():  # as others do meanwhile; they would wait in vain
                asked.append(1)
            return super().reader(connection)

    asked: list[int] = []
    watch = StalenessWatch(MonitorParts(desk.store, Slow(), desk.book, desk.alert_book, "conversation_monitor"))
    watch.look(desk.clock.now())
    desk.clock.advance(timedelta(minutes=11))
    watch.look(desk.clock.now())
    assert asked
    assert desk.kinds() == [(KIND, "firing")]


def test_a_round_in_which_nothing_changed_writes_nothing(desk: Live) -> None:
    watch = StalenessWatch(MonitorParts(desk.store, desk.source, desk.book, desk.alert_book, "conversation_monitor"))
    watch.look(desk.clock.now())
    written: list[str] = []
    from sqlalchemy import event

    @event.listens_for(desk.store.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
            written.append(statement)

    desk.clock.advance(timedelta(minutes=1))
    assert watch.look(desk.clock.now()) == frozenset()
    assert written == []
