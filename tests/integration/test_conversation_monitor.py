"""The monitor with a real store and a real alert book: one alert for each incident, and its end."""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from chats import NOW, PAGE, Desk, ago, bot, conversation, export, message, page, policies, staff

from jobs.conversation_monitor import ConversationMonitor
from roundsman.alerts.book import AlertBook
from roundsman.clock import ManualClock
from roundsman.conversations.source import StoreSource
from roundsman.monitor.case import KIND
from roundsman.monitor.page_roll import PagesSetUp
from roundsman.repositories.alerts import AlertStatus
from roundsman.repositories.conversation_tables import conversations
from roundsman.repositories.conversations import ConversationRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.tables import alerts, notifications
from roundsman.repositories.watch_list import AnsweringClock, WatchListRepository
from roundsman.scheduling.job import JobContext, OutcomeKind, StoppedError, StopReason, StopToken

LOG = logging.LoggerAdapter(logging.getLogger("test"), {})


class Round(Desk):
    """A desk whose monitor walks when told to; each walk is a new process as far as the monitor can tell."""

    def __init__(self, store: Store, clock: ManualClock, folder: Path) -> None:
        super().__init__(store, clock, folder)
        self.woken = 0

    def walk(self, stop: StopToken | None = None) -> dict[str, int]:
        book = AlertBook(self.store, self.clock, ["console", "slack"], self._wake)
        monitor = ConversationMonitor(self.store, book, self.book, StoreSource(), PagesSetUp(lambda: None))
        outcome = monitor.run(JobContext(self.clock, LOG, stop or StopToken(), self.clock.now()))
        assert outcome.kind is OutcomeKind.DONE
        return {name: outcome.counters[name] for name in ("checked", "late", "opened", "resolved")}

    def alerts(self) -> list[Any]:
        with self.store.read() as connection:
            return list(connection.execute(alerts.select().order_by(alerts.c.id)))

    def told(self) -> Counter[tuple[str, str]]:
        with self.store.read() as connection:
            return Counter((row.channel, row.event) for row in connection.execute(notifications.select()))

    def _wake(self) -> None:
        self.woken += 1


@pytest.fixture
def desk(store: Store, clock: ManualClock, tmp_path: Path) -> Round:
    return Round(store, clock, tmp_path)


@pytest.fixture
def sqlite_desk(sqlite_store: Store, clock: ManualClock, tmp_path: Path) -> Round:
    return Round(sqlite_store, clock, tmp_path)


LATE = export(pages=[page()], conversations=[conversation()], messages=[message("m1", ago(20.5))])


def test_a_late_conversation_opens_one_alert_with_its_facts(desk: Round) -> None:
    desk.take(LATE)
    assert desk.walk() == {"checked": 1, "late": 1, "opened": 1, "resolved": 0}
    (alert,) = desk.alerts()
    assert (alert.fingerprint, alert.kind, alert.severity, alert.status) == (f"{KIND}:100_1", KIND, "medium", "firing")
    assert (alert.job, alert.level, alert.since_at, alert.opened_at) == ("conversation_monitor", 1, ago(20.5), NOW)
    assert alert.labels == {"page_id": "100", "conversation_id": "100_1", "conversation_type": "INBOX"}
    assert alert.annotations == {
        "customer_name": "Customer 1",
        "page_name": "Shop 100",
        "conversation_type": "INBOX",
        "platform": "messenger",
        "waited_minutes": 20,
        "threshold_minutes": 15,
        "target": None,
        "due_at": "2026-03-03T03:54:30Z",
        "bot_answered_at": None,
        "policy": "settings",
        "charged": [],
        "waiting_since": "2026-03-03T03:39:30Z",
        "human_waiting_since": "2026-03-03T03:39:30Z",
        "link": "https://pancake.vn/shop100?c_id=100_1",
    }
    assert desk.told() == {("console", "firing"): 1, ("slack", "firing"): 1}
    assert desk.woken == 1


def test_the_same_incident_is_told_once_also_by_other_processes(desk: Round) -> None:
    desk.take(LATE)
    desk.walk()
    for _ in range(3):
        desk.clock.advance(timedelta(seconds=30))
        desk.take(LATE)
        assert desk.walk() == {"checked": 0, "late": 1, "opened": 0, "resolved": 0}
    desk.take(export(messages=[message("m2", ago(1)), message("m3", ago(2), bot())]))
    assert desk.walk()["opened"] == 0
    assert len(desk.alerts()) == 1
    assert desk.woken == 1


def test_an_answer_resolves_the_alert_and_says_who_and_when(desk: Round) -> None:
    desk.take(LATE)
    desk.walk()
    desk.clock.advance(timedelta(minutes=5))
    desk.take(export(messages=[message("m2", NOW + timedelta(minutes=4), staff())]))
    assert desk.walk() == {"checked": 1, "late": 0, "opened": 0, "resolved": 1}
    (alert,) = desk.alerts()
    assert (alert.status, alert.resolution, alert.resolved_at) == ("resolved", "answered", NOW + timedelta(minutes=5))
    assert alert.annotations["answered_at"] == "2026-03-03T04:04:00Z"
    assert alert.annotations["answered_by"] == "Lan"
    assert alert.annotations["waited_minutes"] == 24
    assert desk.walk() == {"checked": 0, "late": 0, "opened": 0, "resolved": 0}


def test_answered_and_late_again_is_a_new_incident(desk: Round) -> None:
    desk.take(LATE)
    desk.walk()
    desk.take(export(messages=[message("m2", ago(1), staff())]))
    desk.walk()
    desk.clock.advance(timedelta(minutes=30))
    desk.take(export(messages=[message("m3", NOW)]))
    assert desk.walk() == {"checked": 1, "late": 1, "opened": 1, "resolved": 0}
    assert [alert.status for alert in desk.alerts()] == ["resolved", "firing"]


def test_answered_and_late_again_between_two_rounds_is_both(desk: Round) -> None:
    desk.take(LATE)
    desk.walk()
    desk.clock.advance(timedelta(minutes=60))
    desk.take(export(messages=[message("m2", NOW, staff()), message("m3", NOW + timedelta(minutes=5))]))
    assert desk.walk() == {"checked": 1, "late": 1, "opened": 1, "resolved": 1}
    first, second = desk.alerts()
    assert (first.status, first.resolution) == ("resolved", "answered")
    assert (second.status, second.since_at) == ("firing", NOW + timedelta(minutes=5))


def test_answered_and_waiting_again_but_not_yet_late_ends_the_first(desk: Round) -> None:
    desk.take(LATE)
    desk.walk()
    desk.take(export(messages=[message("m2", ago(3), staff()), message("m3", ago(2))]))
    assert desk.walk() == {"checked": 1, "late": 0, "opened": 0, "resolved": 1}


def test_an_older_message_that_comes_late_is_the_same_incident(desk: Round) -> None:
    desk.take(LATE)
    desk.walk()
    desk.take(export(messages=[message("m0", ago(50))]))
    assert desk.walk() == {"checked": 0, "late": 1, "opened": 0, "resolved": 0}
    assert desk.rows()["100_1"].human_waiting_since == ago(50)
    assert len(desk.alerts()) == 1


def test_a_removed_first_message_is_the_same_incident_while_another_waits(desk: Round) -> None:
    desk.take(export(messages=[message("m1", ago(40)), message("m2", ago(10))]))
    desk.walk()
    desk.take(export(messages=[message("m1", ago(40), is_removed=True)]))
    assert desk.walk() == {"checked": 0, "late": 1, "opened": 0, "resolved": 0}
    desk.take(export(messages=[message("m2", ago(10), is_removed=True)]))
    assert desk.walk()["resolved"] == 1
    assert desk.alerts()[0].resolution == "the customer's message was removed"
    assert "answered_at" not in desk.alerts()[0].annotations


@pytest.mark.parametrize(
    ("change", "resolution"),
    [
        (export(conversations=[conversation(tags=[{"text": "Khách block"}])]), "The tag 'Khách block' excludes it"),
        (export(pages=[page(isSync=False)]), "The page Shop 100 is not synced"),
        (export(conversations=[conversation(kind="COMMENT")]), "Comments are not watched, and this is a COMMENT"),
    ],
)
def test_an_excluded_conversation_resolves_its_alert(desk: Round, change: Any, resolution: str) -> None:
    desk.take(LATE)
    desk.walk()
    desk.take(change)
    assert desk.walk() == {"checked": 1, "late": 0, "opened": 0, "resolved": 1}
    assert desk.alerts()[0].resolution == resolution


def test_a_vanished_conversation_resolves_its_alert(desk: Round) -> None:
    desk.take(LATE)
    desk.walk()
    with desk.store.write() as connection:
        connection.execute(conversations.delete())
    assert desk.walk() == {"checked": 0, "late": 1, "opened": 0, "resolved": 0}
    desk.clock.advance(timedelta(hours=1))
    assert desk.walk() == {"checked": 1, "late": 0, "opened": 0, "resolved": 1}
    assert desk.alerts()[0].resolution == "the conversation no longer exists"


def test_a_longer_threshold_does_not_take_back_what_was_told(desk: Round) -> None:
    desk.take(LATE)
    desk.walk()
    desk.book = policies(threshold=timedelta(hours=2))
    assert desk.walk() == {"checked": 1, "late": 1, "opened": 0, "resolved": 0}


def test_an_acknowledged_alert_is_not_opened_again(desk: Round) -> None:
    desk.take(LATE)
    desk.walk()
    with desk.store.write() as connection:
        connection.execute(alerts.update().values(status=AlertStatus.ACKNOWLEDGED.value))
    assert desk.walk()["opened"] == 0


def test_bots_answer_on_the_customers_clock_only(desk: Round) -> None:
    desk.take(export(messages=[message("m1", ago(40)), message("m2", ago(39), bot())]))
    desk.book = policies(AnsweringClock.CUSTOMER)
    assert desk.walk()["opened"] == 0
    desk.book = policies(AnsweringClock.HUMAN)
    assert desk.walk()["opened"] == 1
    desk.book = policies(AnsweringClock.CUSTOMER)
    assert desk.walk()["resolved"] == 1


def test_an_answer_from_the_future_counts_when_its_time_has_come(desk: Round) -> None:
    desk.take(export(messages=[message("m1", ago(30)), message("m2", ago(-30), staff())]))
    assert desk.walk()["opened"] == 1
    desk.clock.advance(timedelta(minutes=19))
    assert desk.walk()["resolved"] == 0
    desk.clock.advance(timedelta(minutes=1))
    assert desk.walk()["resolved"] == 1
    assert desk.rows() == {}


def test_a_question_from_the_future_becomes_late_in_time(desk: Round) -> None:
    desk.take(export(messages=[message("m1", ago(-60))]))
    desk.clock.advance(timedelta(minutes=75))
    assert desk.walk()["opened"] == 0
    desk.clock.advance(timedelta(seconds=1))
    assert desk.walk()["opened"] == 1


def test_exactly_the_threshold_is_not_yet_late(desk: Round) -> None:
    desk.take(export(messages=[message("m1", ago(15))]))
    assert desk.walk()["opened"] == 0
    desk.clock.advance(timedelta(seconds=1))
    assert desk.walk()["opened"] == 1


def test_no_telephone_number_and_no_text_gets_into_an_alert(desk: Round) -> None:
    author = {"id": "5", "name": "+84 000 000 0101"}
    document = conversation()
    document["panCakeData"]["from"] = author
    desk.take(export(conversations=[document], messages=[message("m1", ago(30), author, message="call 840000000101")]))
    desk.walk()
    (alert,) = desk.alerts()
    assert alert.annotations["customer_name"] is None
    assert "840000000101" not in repr(alert)
    assert "call" not in repr(alert)


def test_a_name_is_taken_from_the_messages_when_the_conversation_has_none(desk: Round) -> None:
    desk.take(export(messages=[message("m1", ago(30))]))
    desk.walk()
    assert desk.alerts()[0].annotations["customer_name"] == "Customer 1"


def test_many_conversations_are_taken_in_batches_and_a_stop_leaves_whole_ones(sqlite_desk: Round) -> None:
    count = 1201
    sqlite_desk.take(export(messages=[message(f"m{number}", ago(20), name=f"c{number}") for number in range(count)]))
    stop = StopToken()
    with pytest.raises(StoppedError):
        _stopped_after_first_batch(sqlite_desk, stop)
    assert len(sqlite_desk.alerts()) == 500
    assert sqlite_desk.told() == {("console", "firing"): 1, ("slack", "firing"): 1}, "a digest of five hundred each"
    assert sqlite_desk.walk() == {"checked": count - 500, "late": count, "opened": count - 500, "resolved": 0}
    assert len(sqlite_desk.alerts()) == count


def _stopped_after_first_batch(desk: Round, stop: StopToken) -> None:
    book = AlertBook(desk.store, desk.clock, ["console", "slack"], lambda: stop.set(StopReason.SHUTDOWN))
    ConversationMonitor(desk.store, book, desk.book, StoreSource(), PagesSetUp(lambda: None)).run(
        JobContext(desk.clock, LOG, stop, NOW)
    )


def test_a_standing_wait_is_not_read_again_and_again(sqlite_desk: Round, monkeypatch: pytest.MonkeyPatch) -> None:
    sqlite_desk.take(LATE)
    sqlite_desk.walk()
    read: list[str] = []
    threads = ConversationRepository.threads

    def noted(self: ConversationRepository, connection: Any, ids: Any) -> Any:
        read.extend(ids)
        return threads(self, connection, ids)

    monkeypatch.setattr(ConversationRepository, "threads", noted)
    sqlite_desk.walk()
    assert read == []


@pytest.mark.postgres
def test_a_round_beside_an_import_forgets_nobody(postgres_store: Store, clock: ManualClock, tmp_path: Path) -> None:
    """A round that read a row before an import committed must not write its older state over the import's.

    The round is held in the middle of its transaction; the import then has to wait for the conversation's lock.
    """
    desk = Round(postgres_store, clock, tmp_path)
    desk.take(export(messages=[message("m1", ago(20)), message("m2", ago(10), staff()), message("m3", ago(-30))]))
    clock.advance(timedelta(minutes=20))  # m3 is to be looked at again, so the round writes the row
    imported = threading.Event()

    def bring_a_question() -> None:
        desk.take(export(messages=[message("m4", ago(5))]))
        imported.set()

    importer = threading.Thread(target=bring_a_question)
    _during_the_round(desk, importer.start, lambda: not imported.wait(0.3))
    importer.join(30)
    assert imported.is_set()
    assert desk.rows()["100_1"].human_waiting_since == ago(5)


def _during_the_round(desk: Round, begin: Callable[[], None], is_waiting: Callable[[], bool]) -> None:
    put = WatchListRepository.put

    def slow(self: WatchListRepository, connection: Any, rows: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            begin()
            assert is_waiting()
        put(self, connection, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WatchListRepository, "put", slow)
        desk.walk()


def test_pages_of_every_network_are_named(desk: Round) -> None:
    desk.take(
        export(
            messages=[
                message(f"m{index}", ago(20), {"id": "5"}, page_id=page_id)
                for index, page_id in enumerate((PAGE, "wa_c.us@84", "zl_1", "igo_1"))
            ]
        )
    )
    desk.walk()
    assert sorted(alert.annotations["platform"] for alert in desk.alerts()) == [
        "instagram",
        "messenger",
        "whatsapp",
        "zalo",
    ]
