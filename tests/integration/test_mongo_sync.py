"""The watch list kept true to a MongoDB: everything once, then whatever changes, and never more than FolkForm knows."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from chats import NOW, PAGE, ago, conversation, export, message, page, staff
from mongo_desk import MongoDesk
from mongo_server import MongoPlace
from sqlalchemy import func, select

from roundsman.clock import ManualClock
from roundsman.conversations.mongo.checkpoint import OVERLAP
from roundsman.conversations.mongo.signs import Trust
from roundsman.repositories.conversation_tables import conversations, messages, observations
from roundsman.repositories.engine import Store
from roundsman.scheduling.job import StoppedError, StopReason, StopToken

pytestmark = pytest.mark.mongo

MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(store: Store, mongo: MongoPlace, clock: ManualClock) -> Iterator[MongoDesk]:
    """FolkForm with one page, and nobody there; over both stores."""
    mongo.fill(export(pages=[page()]))
    with MongoDesk(store, mongo, clock) as made:
        yield made


@pytest.fixture
def sqlite_desk(sqlite_store: Store, mongo: MongoPlace, clock: ManualClock) -> Iterator[MongoDesk]:
    mongo.fill(export(pages=[page()]))
    with MongoDesk(sqlite_store, mongo, clock) as made:
        yield made


def asked(desk: MongoDesk, name: str, minutes: float, *, written: float | None = None) -> None:
    """A customer's message; FolkForm brings it at once, or so many minutes ago."""
    at = ago(minutes if written is None else written)
    desk.write("fb_conversations", conversation(name), at=at)
    desk.write("fb_message_items", message(f"ask-{name}", ago(minutes), name=name), at=at)


def answered(desk: MongoDesk, name: str, minutes: float, *, written: float | None = None) -> None:
    at = ago(minutes if written is None else written)
    desk.write("fb_message_items", message(f"answer-{name}", ago(minutes), staff(), name=name), at=at)


def test_the_first_round_reads_everything_and_the_next_only_what_is_new(desk: MongoDesk) -> None:
    for number in range(7):
        asked(desk, str(number), 60 + number)
    answered(desk, "3", 50)
    counters = desk.sync()
    assert counters["derived"] == 7
    assert desk.rows().keys() == {f"100_{number}" for number in range(7)} - {"100_3"}
    assert desk.rows()["100_1"].waiting_since == ago(61)
    assert desk.syncs()[PAGE].fresh_at == NOW
    desk.clock.advance(MINUTE)
    answered(desk, "1", 0)
    assert desk.sync()["derived"] == 1
    assert "100_1" not in desk.rows()
    assert desk.syncs()[PAGE].fresh_at == NOW + MINUTE


def test_nothing_is_copied_into_the_store(sqlite_desk: MongoDesk) -> None:
    asked(sqlite_desk, "1", 60)
    sqlite_desk.sync()
    with sqlite_desk.store.read() as connection:
        for table in (conversations, messages):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0


def test_a_round_without_news_derives_nothing_also_within_the_overlap(sqlite_desk: MongoDesk) -> None:
    sqlite_desk.sync()
    asked(sqlite_desk, "1", 0.5)
    assert sqlite_desk.sync()["derived"] == 1
    for _ in range(3):
        sqlite_desk.clock.advance(MINUTE)
        assert sqlite_desk.sync() == {"pages": 1, "changes": 0, "derived": 0, "set_aside": 0}
    with sqlite_desk.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(observations)).scalar_one() == 1


def test_a_write_that_becomes_visible_late_is_found(sqlite_desk: MongoDesk) -> None:
    asked(sqlite_desk, "1", 9)
    sqlite_desk.sync()
    asked(sqlite_desk, "2", 0.1)
    assert sqlite_desk.sync()["derived"] == 1
    late = OVERLAP / MINUTE - 0.1
    asked(sqlite_desk, "3", 20, written=late)  # it bears a time at which we have already looked
    assert sqlite_desk.sync()["derived"] == 1
    assert sqlite_desk.rows().keys() == {"100_1", "100_2", "100_3"}


def test_a_late_write_is_found_by_a_new_process_as_well(sqlite_desk: MongoDesk) -> None:
    asked(sqlite_desk, "1", 0)
    sqlite_desk.sync()
    sqlite_desk.restart()
    asked(sqlite_desk, "2", 20, written=OVERLAP / MINUTE - 0.1)
    sqlite_desk.sync()
    assert sqlite_desk.rows().keys() == {"100_1", "100_2"}


def test_a_second_write_within_the_millisecond_is_not_overlooked(sqlite_desk: MongoDesk) -> None:
    asked(sqlite_desk, "1", 0)
    sqlite_desk.sync()
    sqlite_desk.write("fb_message_items", message("ask-1", ago(0), name="1", is_removed=True))
    sqlite_desk.clock.advance(MINUTE)
    sqlite_desk.sync()
    assert sqlite_desk.rows() == {}


def test_old_news_that_is_written_now_is_found(sqlite_desk: MongoDesk) -> None:
    """FolkForm was away, and brings on one day what was said on another."""
    sqlite_desk.sync()
    sqlite_desk.clock.advance(timedelta(days=3))
    sqlite_desk.write("fb_message_items", message("m1", ago(4000), name="1"))
    sqlite_desk.sync()
    assert sqlite_desk.rows()["100_1"].waiting_since == ago(4000)


class StopAfter(StopToken):
    """Is set when it was looked at so often."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    def check(self) -> None:
        self._looks -= 1
        if self._looks < 0:
            self.set(StopReason.SHUTDOWN)
        super().check()


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roundsman.conversations.mongo.sync.MOST_CONVERSATIONS", 10)
    monkeypatch.setattr("roundsman.conversations.mongo.sync.MOST_CHANGES", 25)


@pytest.mark.usefixtures("small_batches")
def test_a_first_round_that_is_cut_off_again_and_again_comes_to_its_end(sqlite_desk: MongoDesk) -> None:
    for number in range(45):
        asked(sqlite_desk, f"{number:02}", 60 + number)
    for _ in range(5):
        with pytest.raises(StoppedError):
            sqlite_desk.sync(StopAfter(1))
        assert sqlite_desk.syncs()[PAGE].fresh_at is None, "a part is no knowledge"
        sqlite_desk.restart()
    assert sqlite_desk.sync()["derived"] <= 10
    assert len(sqlite_desk.rows()) == 45
    assert sqlite_desk.syncs()[PAGE].fresh_at == NOW


@pytest.mark.usefixtures("small_batches")
def test_a_sweep_that_is_cut_off_goes_on_where_it_was(sqlite_desk: MongoDesk) -> None:
    sqlite_desk.sync()
    for number in range(45):  # a mass of changes that all bear the same time
        asked(sqlite_desk, f"{number:02}", 0)
    known = 0
    for _ in range(4):
        sqlite_desk.restart()
        with pytest.raises(StoppedError):
            sqlite_desk.sync(StopAfter(1))
        assert len(sqlite_desk.rows()) > known, "each time a little further"
        known = len(sqlite_desk.rows())
        assert sqlite_desk.syncs()[PAGE].fresh_at == NOW
    asked(sqlite_desk, "late", 4, written=4)  # visible only now, behind the place where the sweep stands
    sqlite_desk.sync()
    assert len(sqlite_desk.rows()) == 46


@pytest.mark.usefixtures("small_batches")
def test_a_long_thread_that_is_brought_late_is_read_once(sqlite_desk: MongoDesk) -> None:
    sqlite_desk.sync()
    sqlite_desk.clock.advance(timedelta(hours=1))
    for number in range(100):
        sqlite_desk.write("fb_message_items", message(f"m{number}", ago(500 - number), name="1"), at=NOW + MINUTE)
    assert sqlite_desk.sync()["derived"] == 1


def test_another_database_is_read_from_the_beginning(sqlite_desk: MongoDesk) -> None:
    asked(sqlite_desk, "1", 300)
    sqlite_desk.sync()
    sqlite_desk.place.database["fb_conversations"].rename("fb_src_conversations")
    sqlite_desk.restart()
    assert sqlite_desk.sync()["derived"] == 1


# --- pages ---


def test_a_page_that_has_changed_concerns_all_who_wait_there(sqlite_desk: MongoDesk) -> None:
    asked(sqlite_desk, "1", 5)
    sqlite_desk.sync()
    later = ago(-10)
    assert sqlite_desk.rows()["100_1"].due_at == later
    sqlite_desk.clock.advance(MINUTE)
    sqlite_desk.write("fb_pages", page(pageName="Another name"))
    sqlite_desk.sync()
    assert sqlite_desk.rows()["100_1"].due_at == NOW + MINUTE
    sqlite_desk.walk()
    sqlite_desk.restart()
    sqlite_desk.clock.advance(MINUTE)
    sqlite_desk.sync()
    assert sqlite_desk.rows()["100_1"].due_at == later, "it was noticed once"


def test_a_page_that_is_not_synced_has_no_watermark(sqlite_desk: MongoDesk) -> None:
    asked(sqlite_desk, "1", 60)
    sqlite_desk.sync()
    assert sqlite_desk.walk()["opened"] == 1
    sqlite_desk.write("fb_pages", page(isSync=False))
    sqlite_desk.sync()
    assert sqlite_desk.syncs() == {}
    assert sqlite_desk.walk()["resolved"] == 1


def test_a_page_without_a_document_is_known_by_its_conversations(sqlite_desk: MongoDesk) -> None:
    sqlite_desk.place.database["fb_pages"].drop()
    asked(sqlite_desk, "1", 60)
    sqlite_desk.restart()
    sqlite_desk.sync()
    assert sqlite_desk.syncs()[PAGE].fresh_at == NOW
    assert sqlite_desk.walk()["opened"] == 1


# --- broken documents ---


def test_a_broken_document_is_set_aside_until_a_good_copy_comes(desk: MongoDesk) -> None:
    asked(desk, "1", 60)
    desk.write("fb_message_items", message("m9", "last week", name="1"))
    desk.place.database["fb_conversations"].insert_one(
        {"_id": 7, "conversationId": 7, "updatedAt": NOW.timestamp() * 1000}
    )
    desk.sync()
    assert desk.set_aside() == [
        "fb_conversations 7: conversationId is missing or no text; the document was set aside.",
        "fb_message_items m9: messageData.inserted_at is 'last week', which is no time; Unix seconds, milliseconds or "
        "ISO 8601 are expected; the document was set aside.",
    ]
    assert "100_1" in desk.rows()
    desk.write("fb_message_items", message("m9", ago(2), staff(), name="1"))
    desk.sync()
    assert len(desk.set_aside()) == 1
    assert desk.rows() == {}


# --- how fresh FolkForm is ---


def check_in(desk: MongoDesk, minutes: float, **facts: Any) -> None:
    agent = {"agentId": "bot", "lastCheckInAt": int(ago(minutes).timestamp()), **facts}  # seconds
    desk.place.database["agent_core_registry"].replace_one({"agentId": "bot"}, agent, upsert=True)


def sync_job(minutes: float, status: str = "completed") -> dict[str, Any]:
    return {"jobName": "sync-conversations", "lastRunAt": int(ago(minutes).timestamp()), "lastRunStatus": status}


@pytest.mark.parametrize(
    ("trust", "agent", "fresh"),
    [
        (Trust.AUTO, None, 0),
        (Trust.AUTO, {"minutes": 25}, 25),
        (Trust.AUTO, {"minutes": 0.5}, 0.5),
        (Trust.AUTO, {"minutes": 1, "jobStatus": [sync_job(20), {"jobName": "report", "lastRunAt": 0}]}, 20),
        (Trust.AUTO, {"minutes": 1, "jobStatus": [sync_job(3, "failed"), sync_job(20)]}, 20),
        (Trust.AUTO, {"minutes": 1, "jobStatus": [sync_job(400)]}, 30),
        (Trust.AUTO, {"minutes": 40, "jobStatus": "broken"}, 30),
        (Trust.AGENTS, None, 30),
        (Trust.WRITES, {"minutes": 1}, 30),
        (Trust.ALWAYS, {"minutes": 90}, 0),
    ],
)
def test_the_watermark_is_what_folkform_knew(
    sqlite_store: Store, mongo: MongoPlace, clock: ManualClock, trust: Trust, agent: Any, fresh: float
) -> None:
    mongo.fill(export(pages=[page()]))
    with MongoDesk(sqlite_store, mongo, clock, trust) as desk:
        asked(desk, "1", 60, written=30)
        if agent:
            check_in(desk, **agent)
        desk.sync()
        assert desk.syncs()[PAGE].fresh_at == ago(fresh)


def test_a_folkform_that_has_died_accuses_nobody(sqlite_desk: MongoDesk) -> None:
    check_in(sqlite_desk, 0)
    asked(sqlite_desk, "1", 1)
    sqlite_desk.sync()
    sqlite_desk.walk()
    for _ in range(30):  # the answer came within that time, but who knows?
        sqlite_desk.clock.advance(MINUTE)
        sqlite_desk.sync()
        sqlite_desk.walk()
    assert [(each.kind, each.status) for each in sqlite_desk.alerts()] == [("page_stale", "firing")]
    check_in(sqlite_desk, -31)
    answered(sqlite_desk, "1", -3)
    sqlite_desk.write("fb_conversations", conversation("1"))
    sqlite_desk.clock.advance(MINUTE)
    sqlite_desk.sync()
    sqlite_desk.walk()
    assert [(each.kind, each.status) for each in sqlite_desk.alerts()] == [("page_stale", "resolved")]


# --- with the monitor ---


def test_who_waits_too_long_is_told_of_once_and_the_end_too(desk: MongoDesk) -> None:
    asked(desk, "1", 20)
    asked(desk, "2", 5)
    desk.sync()
    assert desk.walk()["opened"] == 1
    assert desk.walk()["opened"] == 0
    answered(desk, "1", 1)
    desk.sync()
    assert desk.walk()["resolved"] == 1
    (alert,) = desk.alerts()
    assert (alert.fingerprint, alert.status) == ("conversation_unreplied:100_1", "resolved")


def test_an_answer_between_two_syncs_is_seen_before_anybody_is_told(sqlite_desk: MongoDesk) -> None:
    asked(sqlite_desk, "1", 14)
    sqlite_desk.sync()
    sqlite_desk.clock.advance(2 * MINUTE)
    answered(sqlite_desk, "1", 0)
    assert sqlite_desk.walk()["opened"] == 0
    assert sqlite_desk.alerts() == []


# --- nothing of others is written ---


def test_nothing_is_ever_written_there_even_with_the_right_to(sqlite_desk: MongoDesk) -> None:
    asked(sqlite_desk, "1", 60)
    sqlite_desk.url = sqlite_desk.place.writing_url
    sqlite_desk.restart()
    with sqlite_desk.place.database.watch(max_await_time_ms=1) as changes:
        sqlite_desk.sync()
        sqlite_desk.walk()
        marker = sqlite_desk.place.database["marker"].insert_one({}).inserted_id
        assert changes.next()["documentKey"]["_id"] == marker


def test_asked_to_it_sets_the_one_field_by_which_folkform_hurries(sqlite_desk: MongoDesk) -> None:
    asked(sqlite_desk, "1", 60)
    asked(sqlite_desk, "2", 5)
    sqlite_desk.sync()
    sqlite_desk.clock.advance(MINUTE)
    sqlite_desk.url, sqlite_desk.asks_for_priority = sqlite_desk.place.writing_url, True
    sqlite_desk.restart()
    before = list(sqlite_desk.place.database["fb_conversations"].find({}, sort=[("conversationId", 1)]))
    assert sqlite_desk.walk()["opened"] == 1
    after = list(sqlite_desk.place.database["fb_conversations"].find({}, sort=[("conversationId", 1)]))
    assert after == [{**before[0], "needsPrioritySync": True}, before[1]]


def test_that_folkform_cannot_be_asked_keeps_nobody_from_being_told(
    sqlite_desk: MongoDesk, caplog: pytest.LogCaptureFixture
) -> None:
    asked(sqlite_desk, "1", 60)
    sqlite_desk.asks_for_priority = True
    sqlite_desk.restart()
    sqlite_desk.sync()
    sqlite_desk.clock.advance(MINUTE)
    assert sqlite_desk.walk()["opened"] == 1
    (line,) = [each.getMessage() for each in caplog.records if "needsPrioritySync" in each.getMessage()]
    assert "does not allow the user of MONGO_URL" in line
