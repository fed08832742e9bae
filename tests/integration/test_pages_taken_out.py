"""Pages that were taken out of the settings: not watched any more, said once, and judged again when they are back."""

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from io import StringIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from chats import ago, conversation, export, message, page, staff
from fake_pancake import FakePancake
from pancake_bench import Bench
from rounds import Rounds, levels
from sqlalchemy import event
from test_simulation import keys, real_of, recorded

from roundsman.alerts.book import AlertBook
from roundsman.clock import ManualClock
from roundsman.conversations.intake import Batch, Intake
from roundsman.conversations.pancake.webhook_import import WebhookImporter
from roundsman.conversations.source import StoreSource
from roundsman.monitor import staleness, sync_troubles
from roundsman.monitor.case import KIND
from roundsman.monitor.findings import look_into
from roundsman.monitor.last_look import LastLook
from roundsman.monitor.page_roll import PageRoll, PagesSetUp
from roundsman.monitor.parts import MonitorParts
from roundsman.monitor.simulation import simulate
from roundsman.monitor.sync_troubles import Failure, SyncTroubles
from roundsman.monitor.why import why
from roundsman.owner import Owner
from roundsman.repositories.alerts import AlertRepository
from roundsman.repositories.conversations import MessageRecord
from roundsman.repositories.daemons import DaemonRecord, DaemonRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.page_syncs import PageSync, PageSyncRepository
from roundsman.repositories.tables import daemons

BOTH, ONE = frozenset({"100", "200"}), frozenset({"200"})
EXCLUDED = "The page Shop 100 is not set up any more, so it is no longer watched"
QUESTIONS = export(
    pages=[page("100"), page("200"), page("300")],
    conversations=[conversation(page_id=each) for each in ("100", "200", "300")],
    messages=[message(f"m{each}", ago(0), page_id=each) for each in ("100", "200", "300")],
)
SYNCS = PageSyncRepository()
ELSEWHERE = Owner("elsewhere", "boot", 7, 7)


class Shop(Rounds):
    """Pancake feeds the pages 100 and 200; page 300 was imported. Somebody waits on each."""

    def __init__(self, store: Store, clock: ManualClock, folder: Path) -> None:
        super().__init__(store, clock, folder, levels(15, 30, 60))
        self.pages_set_up = BOTH
        self.pages_before = BOTH | {"300"}
        self.fresh(BOTH)
        self.monitor = self.new_monitor()
        self.walk()
        self.take(QUESTIONS)

    def fresh(self, page_ids: Iterable[str]) -> None:
        with self.store.write() as connection:
            for page_id in sorted(page_ids):
                SYNCS.advance(connection, page_id, "pancake", fresh_at=self.clock.now(), checkpoint={"seen": {}})

    def pass_by(self, minutes: int) -> None:
        """A sync of what is in the settings, and a round, every minute."""
        for _ in range(minutes):
            self.clock.advance(timedelta(minutes=1))
            self.fresh(self.pages_set_up or ())
            self.walk()

    def sync(self, page_id: str = "100") -> PageSync | None:
        with self.store.read() as connection:
            return SYNCS.find(connection, page_id)

    def ends(self) -> dict[str, str | None]:
        """How the alerts of each customer stand."""
        return {each.fingerprint.removeprefix(f"{KIND}:"): each.resolution for each in self.alerts()}

    def beat(self, pages: frozenset[str] | None) -> None:
        """Another daemon is alive, on another machine, with these pages."""
        now = self.clock.now()
        record = DaemonRecord(str(ELSEWHERE), "elsewhere", 7, "1", now, now, "", pages=pages)
        with self.store.write() as connection:
            DaemonRepository().beat(connection, record)

    def leave(self) -> None:
        """It stops in order."""
        with self.store.write() as connection:
            DaemonRepository().leave(connection, ELSEWHERE)


@pytest.fixture
def desk(store: Store, clock: ManualClock, tmp_path: Path) -> Shop:
    return Shop(store, clock, tmp_path)


def test_who_waits_there_is_not_watched_any_more_and_told_so_once(desk: Shop, caplog: pytest.LogCaptureFixture) -> None:
    desk.pass_by(16)
    assert desk.ends() == {"100_1": None, "200_1": None, "300_1": None}
    desk.pages_set_up = ONE
    with caplog.at_level(logging.INFO):
        desk.pass_by(60)
    assert desk.ends() == {"100_1": EXCLUDED, "200_1": None, "300_1": None}
    assert desk.verdicts() == {"100_1": "excluded", "200_1": "late", "300_1": "late"}
    assert [line for line in caplog.messages if "settings" in line] == [
        "Taken out of the settings, so that their customers are no longer watched: Shop 100"
    ]
    assert {each.kind for each in desk.alerts()} == {KIND}  # it cannot grow stale either


def test_nobody_is_told_of_who_was_not_late_yet(desk: Shop) -> None:
    desk.pass_by(14)
    desk.pages_set_up = ONE
    desk.pass_by(20)
    assert desk.ends() == {"200_1": None, "300_1": None}
    assert desk.rows()["100_1"].due_at is None


def test_a_message_that_is_about_to_leave_does_not(desk: Shop) -> None:
    desk.pass_by(16)
    with desk.store.write() as connection:
        SYNCS.take_out(connection, ["100"], desk.clock.now())
        alerts = AlertRepository().open_of_kind(connection, KIND)
    found = LastLook(desk.store, desk.clock, desk.book, StoreSource())(alerts)
    assert {name: each.text for name, each in found.items()} == {f"{KIND}:100_1": EXCLUDED}


def test_when_it_is_back_it_is_judged_after_its_first_complete_sync(desk: Shop) -> None:
    desk.pass_by(16)
    desk.pages_set_up = ONE
    desk.pass_by(30)
    desk.pages_set_up = BOTH
    desk.clock.advance(timedelta(minutes=1))
    desk.walk()  # before the sync
    assert desk.verdicts()["100_1"] == "unknown"
    for _ in range(30):  # reading it takes its time, which is no trouble
        desk.clock.advance(timedelta(minutes=1))
        desk.fresh(ONE)
        with desk.store.write() as connection:
            SYNCS.advance(connection, "100", "pancake", fresh_at=None, checkpoint={"seen": {}})
        desk.walk()
    assert [(each.fingerprint, each.status) for each in desk.alerts() if "100" in each.fingerprint] == [
        (f"{KIND}:100_1", "resolved")
    ]
    desk.pass_by(1)
    assert desk.verdicts()["100_1"] == "late"
    again = desk.alerts()[-1]
    assert (again.fingerprint, again.since_at, again.level) == (f"{KIND}:100_1", ago(0), 3)


def test_who_was_answered_meanwhile_is_told_of_no_more(desk: Shop) -> None:
    desk.pass_by(16)
    desk.pages_set_up = ONE
    desk.pass_by(30)
    desk.pages_set_up = BOTH
    answer = MessageRecord("m2", "100_1", ago(-20), "u1", "Lan", is_system=False, is_staff=True, is_automated=False)
    Intake(desk.store, desk.keeper).take(Batch(messages=[answer]), desk.clock.now())
    desk.pass_by(3)
    assert desk.verdicts()["100_1"] == "answered"
    assert desk.ends()["100_1"] == EXCLUDED


def test_a_page_that_another_daemon_has_is_none_of_this(desk: Shop) -> None:
    desk.pages_set_up = ONE
    desk.beat(frozenset({"100"}))
    desk.walk()
    assert desk.verdicts()["100_1"] == "fine"
    desk.beat(None)  # it does not know its pages yet
    desk.walk()
    assert desk.verdicts()["100_1"] == "fine"
    desk.leave()
    desk.walk()
    assert desk.verdicts()["100_1"] == "excluded"
    desk.beat(frozenset({"100"}))
    desk.walk()
    assert desk.verdicts()["100_1"] == "unknown"


def test_a_page_of_a_daemon_that_starts_again_is_watched_meanwhile(desk: Shop) -> None:
    desk.beat(frozenset({"100"}))
    desk.pass_by(16)
    desk.pages_before, desk.pages_set_up = frozenset(), ONE
    desk.leave()
    desk.pass_by(4)
    assert desk.ends()["100_1"] is None
    desk.beat(frozenset({"100"}))
    desk.walk()
    desk.leave()
    desk.pass_by(5)  # since the second time, and not since the first
    assert desk.ends()["100_1"] is None
    desk.pass_by(1)
    assert desk.ends()["100_1"] == EXCLUDED


def test_a_page_of_a_daemon_that_was_killed_grows_stale(desk: Shop) -> None:
    desk.pages_before, desk.pages_set_up = frozenset(), ONE
    desk.beat(frozenset({"100"}))
    desk.pass_by(30)
    assert desk.verdicts()["100_1"] == "unknown"
    assert [each.fingerprint for each in desk.alerts() if each.kind == staleness.KIND] == ["page_stale:100"]
    with desk.store.write() as connection:
        assert DaemonRepository().sweep(connection, desk.clock.now())  # as another one starts
    desk.pass_by(6)
    assert desk.verdicts()["100_1"] == "excluded"


def test_a_command_with_other_settings_decides_nothing(desk: Shop) -> None:
    desk.pages_before, desk.pages_set_up = frozenset(), frozenset()
    for _ in range(2):
        desk.clock.advance(timedelta(minutes=10))
        desk.fresh(BOTH)
        desk.monitor = desk.new_monitor()
        desk.walk()
    assert desk.verdicts()["100_1"] == "late"


def test_of_a_daemon_of_before_it_is_not_known_what_it_has(desk: Shop) -> None:
    desk.beat(frozenset())
    with desk.store.write() as connection:
        connection.execute(daemons.update().values(driving=None))
    desk.pages_set_up = ONE
    desk.walk()
    assert desk.verdicts()["100_1"] == "fine"


def test_while_this_daemon_does_not_know_its_pages_nothing_is_decided(desk: Shop) -> None:
    desk.pages_set_up = None
    desk.walk()
    assert desk.verdicts()["100_1"] == "fine"


def test_without_any_page_in_the_settings_only_imported_ones_are_watched(desk: Shop) -> None:
    desk.pages_set_up = frozenset()
    desk.walk()
    assert desk.verdicts() == {"100_1": "excluded", "200_1": "excluded", "300_1": "fine"}


def test_a_page_of_which_nothing_ever_came_is_as_it_was_imported(desk: Shop) -> None:
    desk.pages_set_up = BOTH | {"300"}
    with desk.store.write() as connection:
        now = desk.clock.now()
        SYNCS.failed(connection, "300", "pancake", "No such page.", retry_at=now, now=now)
    assert desk.verdicts()["300_1"] == "unknown"
    desk.pages_set_up = BOTH
    desk.walk()
    assert desk.verdicts()["300_1"] == "fine"


def test_a_page_that_an_import_feeds_from_now_on_is_watched_again(desk: Shop) -> None:
    desk.pages_set_up = ONE
    desk.walk()
    desk.take(export(conversations=[conversation()]))
    assert desk.verdicts()["100_1"] == "fine"
    desk.pass_by(16)
    assert desk.ends()["100_1"] is None


def test_a_page_that_a_mongodb_feeds_from_now_on_is_watched_again(desk: Shop) -> None:
    desk.pages_set_up = frozenset()
    desk.walk()
    with desk.store.write() as connection:
        SYNCS.advance(connection, "100", "mongo", fresh_at=desk.clock.now(), checkpoint=None)
        now = desk.clock.now()
        SYNCS.failed(connection, "200", "mongo", "No.", retry_at=now, now=now)
    desk.walk()
    assert [desk.sync("100").is_set_up, desk.sync("200").is_set_up] == [True, True]  # type: ignore[union-attr]


def test_a_sync_that_was_under_way_brings_it_not_back(desk: Shop) -> None:
    desk.pages_set_up = ONE
    desk.walk()
    desk.fresh(BOTH)
    desk.walk()
    assert desk.verdicts()["100_1"] == "excluded"


def test_what_people_were_told_of_the_page_itself_ends(desk: Shop) -> None:
    troubles, now = SyncTroubles(desk.store, desk.alert_book, "data_sync"), desk.clock.now()
    for _ in range(2):
        troubles.failed(Failure("100", "pancake", "Its token is worthless.", True), now + timedelta(hours=1), now)
    desk.walk_until(12)
    assert {each.kind for each in desk.alerts()} == {sync_troubles.FAILED, staleness.KIND}
    desk.pages_set_up = ONE
    desk.walk()
    assert {each.resolution for each in desk.alerts() if each.fingerprint.endswith("100")} == {
        "the page is synced no more"
    }


def test_a_simulation_knows_when_it_was_out(desk: Shop) -> None:
    desk.pass_by(20)
    desk.pages_set_up = ONE
    desk.pass_by(45)
    desk.take(export(messages=[message("m9", desk.clock.now(), name="2", page_id="200")]))
    desk.pages_set_up = BOTH
    desk.walk()
    desk.pass_by(40)
    real = real_of(desk)
    assert [each.level for each in real if each.conversation_id == "100_1"] == [1, 3]
    assert keys(simulate(recorded(desk), desk.book)) == keys(real)


def test_why_tells_since_when(desk: Shop) -> None:
    desk.pages_set_up = ONE
    desk.walk()
    with desk.store.read() as connection:
        found = look_into(connection, StoreSource(), desk.book, "100_1", desk.clock.now())
    assert found is not None
    sentences = why(found, ZoneInfo("UTC"))
    assert sentences[0] == f"{EXCLUDED}."
    assert (
        "Page 100 is in the settings of no daemon since 2026-03-03 04:00:00 UTC (now), so pancake is not asked about "
        "it any more. When it is back, it is judged again once it is read completely."
    ) in sentences


@pytest.fixture
def written(desk: Shop) -> Iterator[list[str]]:
    """The tables that are updated from now on, one after the other."""
    tables: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().upper().startswith("UPDATE"):
            tables.append(statement.split()[1])

    event.listen(desk.store.engine, "before_cursor_execute", note)
    yield tables
    event.remove(desk.store.engine, "before_cursor_execute", note)


def test_a_round_in_which_nothing_changed_writes_nothing(desk: Shop, written: list[str]) -> None:
    desk.pages_set_up = ONE
    desk.walk()
    before = desk.sync()
    written.clear()
    desk.walk()
    assert ("page_syncs" in written, desk.sync()) == (False, before)


def test_rows_are_taken_in_the_order_of_the_intake(desk: Shop, written: list[str]) -> None:
    """Otherwise a sync that stores something just then and the monitor would wait for each other, on PostgreSQL."""
    for pages in (ONE, BOTH):
        desk.pages_set_up = pages
        written.clear()
        desk.walk()
        assert [each for each in written if each in ("watch_list", "page_syncs")][:2] == ["watch_list", "page_syncs"]


def test_what_happened_while_it_was_out_is_read_when_it_is_back(sqlite_store: Store, clock: ManualClock) -> None:
    pages = frozenset[str]()
    book = levels(15)
    alerts = AlertBook(sqlite_store, clock, ["console"], lambda: None)
    parts = MonitorParts(sqlite_store, StoreSource(), book, alerts, "conversation_monitor")
    roll = PageRoll(parts, PagesSetUp(lambda: pages, lambda: frozenset({"100"})))
    with FakePancake(clock).running() as fake, closing(Bench(fake, sqlite_store, clock)) as bench:
        fake.add_page("100")
        fake.say("100", "1", "m1", at=clock.now())
        bench.sync("100")
        roll.look(clock.now())
        clock.advance(timedelta(days=3))
        fake.say("100", "1", "m2", staff(), at=clock.now())
        clock.advance(timedelta(days=27))  # far longer ago than a first sync reads
        pages = frozenset({"100"})
        roll.look(clock.now())
        assert bench.fresh_at("100") is None
        bench.sync("100")
        assert bench.messages().keys() == {"m1", "m2"}
        assert bench.fresh_at("100") is not None


def test_one_that_is_taken_out_before_it_was_read_again_goes_on_from_the_same_moment(
    sqlite_store: Store, clock: ManualClock
) -> None:
    pages = frozenset[str]()
    alerts = AlertBook(sqlite_store, clock, ["console"], lambda: None)
    parts = MonitorParts(sqlite_store, StoreSource(), levels(15), alerts, "conversation_monitor")
    roll = PageRoll(parts, PagesSetUp(lambda: pages, lambda: frozenset({"100"})))
    with FakePancake(clock).running() as fake, closing(Bench(fake, sqlite_store, clock)) as bench:
        fake.add_page("100")
        fake.say("100", "1", "m1", at=clock.now())
        bench.sync("100")
        clock.advance(timedelta(minutes=1))
        fake.say("100", "1", "m2", staff(), at=clock.now())
        for pages in (frozenset[str](), frozenset({"100"}), frozenset[str](), frozenset({"100"})):  # noqa: B007 - the roll asks for it
            roll.look(clock.now())
            clock.advance(timedelta(days=10))
        bench.sync("100")
        assert bench.messages().keys() == {"m1", "m2"}


def test_a_page_that_is_back_is_not_stale_for_what_a_sync_under_way_had_left(desk: Shop) -> None:
    desk.pages_set_up = ONE
    desk.walk()
    desk.clock.advance(timedelta(seconds=5))
    desk.fresh(BOTH)  # a job under way keeps its own settings
    desk.pass_by(30)
    desk.pages_set_up = BOTH
    desk.clock.advance(timedelta(minutes=1))
    desk.fresh(ONE)
    desk.walk()
    assert staleness.KIND not in {each.kind for each in desk.alerts()}


def test_what_was_read_before_it_was_entered_again_is_not_read_twice(desk: Shop) -> None:
    desk.pages_set_up = ONE
    desk.walk()
    desk.pass_by(30)
    desk.pages_set_up = BOTH
    desk.pass_by(1)
    assert desk.verdicts()["100_1"] == "late"


def test_calls_of_webhooks_feed_a_page_that_is_out(desk: Shop) -> None:
    desk.pages_set_up = ONE
    desk.walk()
    calls = WebhookImporter(desk.store, Intake(desk.store, desk.keeper), desk.clock)
    said = {"id": "w1", "conversation_id": "100_1", "page_id": "100", "inserted_at": "2026-03-03T04:00:00",
            "from": {"id": "1", "name": "Customer 1"}, "type": "INBOX"}  # fmt: skip
    data = {"conversation": {"id": "100_1", "type": "INBOX", "from": said["from"]}, "message": said}
    call = {"page_id": "100", "event_type": "messaging", "data": data}
    calls.import_stream(StringIO(json.dumps(call)), "calls.jsonl")
    desk.walk()
    assert desk.verdicts()["100_1"] == "fine"
