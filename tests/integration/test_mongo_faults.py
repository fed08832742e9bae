"""The ways in which MongoDB fails: each is one sentence without a secret, and loses nothing."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from chats import NOW, PAGE, ago, conversation, export, message, page, staff
from mongo_desk import MongoDesk
from mongo_server import MongoPlace, start_mongo, stop_mongo, wait_for_primary
from sentences import OTHER_PASSWORD, sentence
from servers import PASSWORD

from roundsman.clock import ManualClock
from roundsman.conversations.mongo.database import MongoDatabase
from roundsman.errors import SourceError
from roundsman.repositories.engine import Store

pytestmark = pytest.mark.mongo

NAME = f"failing-{os.getpid()}"
"""Of connections; the shared server fails those of this worker's tests only."""
IMPATIENT = "&timeoutMS=2500&serverSelectionTimeoutMS=1200"

MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(sqlite_store: Store, mongo: MongoPlace, clock: ManualClock) -> Iterator[MongoDesk]:
    """One customer waits, and that is known."""
    with MongoDesk(sqlite_store, mongo, clock) as made:
        fill(made)
        # A failure that is only played changes nothing that the server would tell of its own accord
        made.url += f"{IMPATIENT}&heartbeatFrequencyMS=500&appName={NAME}"
        made.restart()
        yield made


@pytest.fixture
def own_desk(sqlite_store: Store, own_mongo: MongoPlace, clock: ManualClock) -> Iterator[MongoDesk]:
    """The same with a server of its own."""
    with MongoDesk(sqlite_store, own_mongo, clock) as made:
        fill(made)
        made.url += IMPATIENT
        made.restart()
        yield made


def fill(desk: MongoDesk) -> None:
    desk.place.fill(export(pages=[page()]))
    desk.write("fb_conversations", conversation("1"))
    desk.write("fb_message_items", message("m1", ago(20), name="1"))
    desk.sync()


def at(url: str, ask: Callable[[MongoDatabase], object] = MongoDatabase.names) -> str:
    with closing(MongoDatabase(url, "folkform")) as database:
        return sentence(SourceError, lambda: ask(database))


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    text = at(f"mongodb://me:{PASSWORD}@127.0.0.1:1,127.0.0.1:2/folkform?replicaSet=rs0&timeoutMS=300")
    assert text.startswith("mongo 127.0.0.1:1,127.0.0.1:2/folkform cannot be reached")
    assert "MONGO_URL" in text


def test_a_wrong_password_is_said_to_be_wrong(mongo: MongoPlace) -> None:
    assert "refuses the user or the password in MONGO_URL" in at(mongo.url.replace(PASSWORD, OTHER_PASSWORD))


@pytest.mark.parametrize(
    "option", ["readConcernLevel=nonsense&w=-7", "replicaSet=", "authMechanism=NOBODYS", "tlsCAFile=/s3cret/none"]
)
def test_an_option_that_does_not_exist_is_said_to_be_wrong(option: str) -> None:
    assert "MONGO_URL" in at(f"mongodb://me:s3cret@127.0.0.1:1/folkform?timeoutMS=300&{option}")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"errorCode": 13}, "does not allow the user of MONGO_URL to read this"),
        ({"errorCode": 10107}, "is changing its primary|has not answered in time"),  # it is asked until then
        ({"errorCode": 50}, "has not answered in time"),
        ({"errorCode": 2}, "refused: BadValue"),
        ({"closeConnection": True}, "has closed the connection|has not answered in time"),
        ({"blockConnection": True, "blockTimeMS": 4_000}, "has not answered in time"),
    ],
)
def test_whatever_it_fails_with_is_one_sentence_and_nothing_is_lost(
    desk: MongoDesk, how: dict[str, Any], words: str
) -> None:
    desk.write("fb_message_items", message("m2", ago(10), name="2"))
    with desk.place.failing("find", "aggregate", appName=NAME, **how):
        text = sentence(SourceError, desk.sync)
    assert re.search(words, text)
    sync = desk.syncs()[PAGE]
    assert (sync.fresh_at, sync.failures, sync.error) == (NOW, 1, text)
    desk.clock.advance(MINUTE)
    desk.sync()
    sync = desk.syncs()[PAGE]
    assert (sync.fresh_at, sync.failures, sync.error) == (NOW + MINUTE, 0, None)
    assert desk.rows().keys() == {"100_1", "100_2"}


@pytest.mark.parametrize("how", [{"errorCode": 91}, {"errorCode": 11600}, {"closeConnection": True}])
def test_what_lasts_a_moment_only_is_not_even_noticed(desk: MongoDesk, how: dict[str, Any]) -> None:
    desk.write("fb_message_items", message("m2", ago(10), name="2"))
    with desk.place.failing("find", times=1, appName=NAME, **how):
        desk.sync()
    assert desk.rows().keys() == {"100_1", "100_2"}


def test_a_connection_that_breaks_in_the_midst_of_many_documents_leaves_the_mark_where_it_was(desk: MongoDesk) -> None:
    for number in range(150):  # more than one answer of the server
        desk.write("fb_message_items", message(f"n{number}", ago(10), name="2"))
    before = desk.syncs()[PAGE].checkpoint
    with desk.place.failing("getMore", appName=NAME, closeConnection=True):
        assert sentence(SourceError, desk.sync).startswith("mongo 127.0.0.1:")
    assert desk.syncs()[PAGE].checkpoint == before
    desk.sync()
    assert "100_2" in desk.rows()


def test_killed_and_started_again_it_loses_nothing(own_desk: MongoDesk) -> None:
    own_desk.write("fb_message_items", message("m2", ago(10), name="2"))
    folder, port = own_desk.place.server.folder, own_desk.place.server.port
    stop_mongo(folder)
    for failures in (1, 2):
        assert re.search("cannot be reached|has closed the connection", sentence(SourceError, own_desk.sync))
        sync = own_desk.syncs()[PAGE]
        assert (sync.fresh_at, sync.failures, sync.failing_since) == (NOW, failures, NOW)
    start_mongo(folder, port)
    own_desk.sync()
    assert own_desk.rows().keys() == {"100_1", "100_2"}
    assert own_desk.syncs()[PAGE].failures == 0


@pytest.fixture
def member_desk(own_desk: MongoDesk) -> MongoDesk:
    """Knows its server as the member of a replica set."""
    own_desk.url = own_desk.url.replace("directConnection=true", "replicaSet=rs0")
    own_desk.restart()
    own_desk.sync()
    own_desk.write("fb_message_items", message("m2", ago(10), name="2"))
    return own_desk


def step_down(desk: MongoDesk, seconds: int) -> None:
    desk.place.database.client.admin.command("replSetStepDown", seconds, force=True)


def test_a_primary_that_steps_down_for_a_moment_is_waited_for(member_desk: MongoDesk) -> None:
    step_down(member_desk, 1)
    member_desk.sync()
    assert member_desk.rows().keys() == {"100_1", "100_2"}


def test_without_a_primary_nothing_is_read_that_may_be_old(member_desk: MongoDesk) -> None:
    step_down(member_desk, 60)
    assert "primary" in sentence(SourceError, member_desk.sync)
    member_desk.place.database.client.admin.command("replSetFreeze", 0)
    wait_for_primary(member_desk.place.server)
    member_desk.write("fb_message_items", message("a1", ago(1), staff(), name="1"))
    member_desk.sync()
    assert member_desk.rows().keys() == {"100_2"}


def test_while_it_is_away_nobody_is_accused_and_the_page_is_told_of_once(own_desk: MongoDesk) -> None:
    folder, port = own_desk.place.server.folder, own_desk.place.server.port
    own_desk.write("fb_message_items", message("m2", ago(10), name="2"))
    own_desk.sync()
    own_desk.write("fb_message_items", message("a1", ago(0), staff(), name="1"))
    stop_mongo(folder)
    for _ in range(4):
        own_desk.clock.advance(8 * MINUTE)
        sentence(SourceError, own_desk.sync)
        assert not own_desk.walk().get("opened")  # it cannot look, which is no failure: the next one is due soon
    start_mongo(folder, port)
    own_desk.clock.advance(MINUTE)
    own_desk.sync()
    own_desk.walk()
    told = {(each.kind, each.fingerprint.partition(":")[2], each.status) for each in own_desk.alerts()}
    assert told == {("page_stale", PAGE, "resolved"), ("conversation_unreplied", "100_2", "firing")}
