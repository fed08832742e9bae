"""The whole daemon's clock jumps: a day ahead, an hour back. Nobody is accused for it, and nothing is missed."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from chats import PAGE, conversation, export, message, page, staff
from mongo_desk import MongoDesk
from mongo_server import MongoPlace

from roundsman.clock import ManualClock
from roundsman.errors import SourceError
from roundsman.repositories.engine import Store

pytestmark = pytest.mark.mongo

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def desk(sqlite_store: Store, mongo: MongoPlace, clock: ManualClock) -> Iterator[MongoDesk]:
    """One page, two customers: one who waits for 20 minutes, and one who has just written. Both are known."""
    mongo.fill(export(pages=[page()]))
    with MongoDesk(sqlite_store, mongo, clock) as made:
        for name, minutes in (("1", 20), ("2", 2)):
            made.write("fb_conversations", conversation(name))
            made.write("fb_message_items", message(f"m{name}", clock.now() - minutes * MINUTE, name=name))
        made.sync()
        made.walk()
        assert told(made) == {"100_1": "firing"}
        yield made


def told(desk: MongoDesk) -> dict[str, str]:
    """The last alert of each conversation."""
    return {each.labels["conversation_id"]: each.status for each in desk.alerts() if "conversation_id" in each.labels}


def stale(desk: MongoDesk) -> list[str]:
    """What became of the alerts about the page."""
    return [each.status for each in desk.alerts() if each.kind == "page_stale"]


def test_a_day_ahead_and_back_tells_nobody_twice_and_misses_no_answer(desk: MongoDesk) -> None:
    desk.clock.advance(DAY)
    desk.walk()  # before any sync: what is known is a day old
    assert (told(desk), stale(desk)) == ({"100_1": "firing"}, ["firing"])
    desk.sync()
    desk.walk()  # FolkForm is there, so the wait is a day long by this clock
    assert (told(desk), stale(desk)) == ({"100_1": "firing", "100_2": "firing"}, ["resolved"])
    desk.clock.advance(MINUTE - DAY)
    desk.write("fb_message_items", message("a1", desk.clock.now(), staff(), name="1"))
    desk.write("fb_message_items", message("a2", desk.clock.now(), staff(), name="2"))
    desk.write("fb_conversations", conversation("3"))
    desk.write("fb_message_items", message("m3", desk.clock.now(), name="3"))
    desk.sync()
    desk.walk()
    assert told(desk) == {"100_1": "resolved", "100_2": "resolved"}
    assert "100_3" in desk.rows()
    assert desk.syncs()[PAGE].fresh_at == desk.clock.now()  # not a day ahead: it would never be found stale
    desk.clock.advance(16 * MINUTE)
    desk.sync()
    desk.walk()
    assert told(desk) == {"100_1": "resolved", "100_2": "resolved", "100_3": "firing"}


def test_an_hour_back_tells_nobody_of_what_was_told_and_goes_on(desk: MongoDesk) -> None:
    asked_at = desk.clock.now() - 3 * HOUR
    desk.write("fb_conversations", conversation("old"), at=asked_at)
    old = message("old", asked_at, name="old"), message("done", asked_at + MINUTE, staff(), name="old")
    desk.write("fb_message_items", *old, at=asked_at)
    desk.clock.advance(-HOUR)
    for _ in range(3):
        desk.clock.advance(MINUTE)
        desk.sync()
        desk.walk()
    assert len(desk.alerts()) == 1
    desk.write("fb_conversations", conversation("3"))
    desk.write("fb_message_items", message("m3", desk.clock.now(), name="3"))
    desk.write("fb_message_items", message("a1", desk.clock.now(), staff(), name="1"))
    for _ in range(18):
        desk.clock.advance(MINUTE)
        desk.sync()
        desk.walk()
    assert told(desk)["100_3"] == "firing"
    assert (desk.syncs()[PAGE].failures, desk.syncs()[PAGE].fresh_at) == (0, desk.clock.now())


def test_after_a_day_ahead_a_restart_with_the_right_clock_sees_what_changes(desk: MongoDesk) -> None:
    desk.clock.advance(DAY)
    desk.sync()
    desk.walk()
    desk.clock.advance(MINUTE - DAY)
    desk.restart()
    desk.write("fb_message_items", message("a1", desk.clock.now(), staff(), name="1"))
    desk.sync()
    desk.walk()
    assert told(desk)["100_1"] == "resolved"
    assert desk.rows().keys() == {"100_2"}


def test_a_clock_behind_every_change_is_told_as_such(
    sqlite_store: Store, mongo: MongoPlace, clock: ManualClock
) -> None:
    mongo.fill(export(pages=[page()]))
    with MongoDesk(sqlite_store, mongo, clock) as desk:
        desk.write("fb_conversations", conversation("1"))
        desk.write("fb_message_items", message("m1", desk.clock.now()))
        desk.clock.advance(-HOUR)
        with pytest.raises(SourceError, match="only of times ahead of this machine's clock; set the clocks right"):
            desk.sync()
        desk.clock.advance(HOUR)
        desk.sync()
        assert desk.rows().keys() == {"100_1"}
