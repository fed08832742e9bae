"""What has changed since a mark: every change once, in order, by one index alone."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from chats import NOW, Document, ago, conversation, export, message, milliseconds, page
from mongo_server import MongoPlace

from roundsman.conversations.mongo.changes import AHEAD, Change, ChangeFeed, Mark
from roundsman.conversations.mongo.database import MongoDatabase
from roundsman.conversations.mongo.indexes import CHANGES, OUR_NAME
from roundsman.errors import SourceError

pytestmark = pytest.mark.mongo

BEGINNING = Mark(milliseconds(ago(600)))


@pytest.fixture
def database(mongo: MongoPlace) -> Iterator[MongoDatabase]:
    with closing(MongoDatabase(mongo.url, mongo.database.name)) as made:
        yield made


def feed_over(mongo: MongoPlace, database: MongoDatabase, messages: list[Document]) -> ChangeFeed:
    mongo.fill(export(pages=[page()], conversations=[conversation()], messages=messages))
    return database.feeds()[1]


def walk(feed: ChangeFeed, since: Mark, limit: int) -> list[Change]:
    """All changes after a mark, in steps."""
    found: list[Change] = []
    while batch := feed.changed(since, NOW, limit):
        assert len(batch) <= limit
        found += batch
        since = batch[-1].mark
    return found


def changed_at(number: int, at: Any, **fields: Any) -> Document:
    return {**message(f"m{number}", ago(5), name=str(number), updated_at=at), **fields}


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_changes_of_one_moment_come_each_once(mongo: MongoPlace, database: MongoDatabase, limit: int) -> None:
    same = milliseconds(ago(3))
    feed = feed_over(mongo, database, [changed_at(number, same + number // 20) for number in range(60)])
    found = walk(feed, BEGINNING, limit)
    assert len(found) == len(set(found)) == 60
    assert [each.at_ms for each in found] == sorted(each.at_ms for each in found)


@pytest.mark.parametrize("limit", [1, 3])
def test_ids_and_times_of_any_type_are_passed(mongo: MongoPlace, database: MongoDatabase, limit: int) -> None:
    same = milliseconds(ago(3))
    ids = [1, 2.5, Int64(3), "text", {"a": 1}, ObjectId(), b"\0", True, ago(1)]
    times = [same, float(same), Int64(same), Decimal128(str(same)), same + 0.5, Decimal128(f"{same}.25")]
    documents = [changed_at(number, same, _id=each) for number, each in enumerate(ids)]
    documents += [changed_at(100 + number, each) for number, each in enumerate(times)]
    found = walk(feed_over(mongo, database, documents), BEGINNING, limit)
    assert len(found) == len(set(found)) == len(documents)


def test_a_mark_leaves_out_what_was_read_and_nothing_else(mongo: MongoPlace, database: MongoDatabase) -> None:
    feed = feed_over(mongo, database, [changed_at(number, milliseconds(ago(number))) for number in range(5)])
    third = walk(feed, BEGINNING, 100)[2]
    assert [each.conversation_id for each in feed.changed(third.mark, NOW, 100)] == ["100_1", "100_0"]
    assert [each.conversation_id for each in feed.changed(Mark(third.at_ms), NOW, 100)] == ["100_2", "100_1", "100_0"]


def test_what_bears_no_time_or_a_far_future_is_no_change(mongo: MongoPlace, database: MongoDatabase) -> None:
    far = milliseconds(NOW + 2 * AHEAD)
    times: list[Any] = [None, "yesterday", NOW, [], far, float("nan"), 9e18, milliseconds(NOW)]
    feed = feed_over(mongo, database, [changed_at(number, each) for number, each in enumerate(times)])
    assert [each.conversation_id for each in walk(feed, BEGINNING, 3)] == ["100_7"]
    assert feed.newest(NOW) == milliseconds(NOW)


def test_a_writers_clock_may_be_a_little_ahead(mongo: MongoPlace, database: MongoDatabase) -> None:
    feed = feed_over(mongo, database, [changed_at(1, milliseconds(NOW + AHEAD - timedelta(seconds=1)))])
    assert len(walk(feed, BEGINNING, 3)) == 1


def test_the_question_is_answered_by_the_index_alone(mongo: MongoPlace, database: MongoDatabase) -> None:
    feed = feed_over(mongo, database, [changed_at(number, milliseconds(ago(number))) for number in range(50)])
    plan = feed.explain(Mark(milliseconds(ago(30)), '{"$oid": "000000000000000000000000"}'), NOW, 10)
    assert sorted(stages(plan["queryPlanner"]["winningPlan"])) == ["IXSCAN", "LIMIT", "PROJECTION_COVERED"]
    assert plan["executionStats"]["nReturned"] == 10
    assert plan["executionStats"]["totalKeysExamined"] <= 12
    assert plan["executionStats"]["totalDocsExamined"] == 0


def stages(plan: Any) -> Iterator[str]:
    if isinstance(plan, dict):
        if "stage" in plan:
            yield plan["stage"]
        for inner in plan.values():
            yield from stages(inner)


def test_every_question_that_is_asked_uses_an_index(mongo: MongoPlace, database: MongoDatabase) -> None:
    mongo.fill(
        export(
            pages=[page()],
            conversations=[conversation(str(number), updatedAt=milliseconds(ago(9))) for number in range(30)],
            messages=[changed_at(number, milliseconds(ago(number))) for number in range(90)],
        )
    )
    mongo.database.command("profile", 2)
    database.check(NOW)
    reader = database.reader()
    names = [each.conversation.conversation_id for batch in reader.all() for each in batch]
    reader.threads(names)
    for feed in database.feeds():
        walk(feed, BEGINNING, 20)
    mongo.database.command("profile", 0)
    asked = list(mongo.database["system.profile"].find({"appName": "roundsman", "planSummary": {"$exists": True}}))
    plans = {each["planSummary"].split()[0] for each in asked}
    assert len(names) == 90
    assert len(asked) > 10
    assert plans == {"IXSCAN", "DISTINCT_SCAN"}, [each for each in asked if each["planSummary"] == "COLLSCAN"]
    assert not any(each.get("hasSortStage") for each in asked)


# --- indexes and names ---


def test_without_its_index_nothing_is_asked_and_the_sentence_says_what_to_do(
    mongo: MongoPlace, database: MongoDatabase
) -> None:
    mongo.fill(export(pages=[page()], conversations=[conversation()], messages=[message("m1", ago(5))]))
    mongo.database["fb_message_items"].drop_index(OUR_NAME)
    with pytest.raises(SourceError, match=r"changes of fb_message_items.*roundsman mongo create-indexes"):
        database.check(NOW)
    mongo.database["fb_message_items"].drop_index("conversationId_1")
    with pytest.raises(SourceError, match=r"fb_message_items\.conversationId, which FolkForm makes"):
        database.check(NOW)


def test_the_indexes_are_made_once_and_only_where_they_are_missing(mongo: MongoPlace) -> None:
    names = ("fb_conversations", "fb_message_items")
    for name in names:
        mongo.database[name].insert_one({"conversationId": "1"})
    mongo.database[names[0]].create_index(list(CHANGES), name="somebody_elses")
    with closing(MongoDatabase(mongo.writing_url, mongo.database.name)) as database:
        assert database.create_indexes() == ["fb_message_items"]
        assert database.create_indexes() == []
    assert [len(mongo.database[name].index_information()) for name in names] == [2, 2]


def test_a_partial_index_is_no_help(mongo: MongoPlace) -> None:
    mongo.database["fb_conversations"].create_index(
        list(CHANGES), name="partial", partialFilterExpression={"updatedAt": {"$gt": 0}}
    )
    mongo.database["fb_message_items"].create_index("conversationId")
    with closing(MongoDatabase(mongo.writing_url, mongo.database.name)) as database:
        assert database.create_indexes() == ["fb_conversations", "fb_message_items"]


@pytest.mark.parametrize("prefix", ["fb_", "fb_src_"])
def test_older_and_newer_names_are_found(mongo: MongoPlace, database: MongoDatabase, prefix: str) -> None:
    mongo.fill(export(pages=[page()], conversations=[conversation()]), prefix=prefix)
    names = database.names()
    assert (names.conversations, names.messages) == (f"{prefix}conversations", f"{prefix}message_items")
    assert (names.pages, names.agents) == (f"{prefix}pages", None)


def test_of_two_the_one_that_was_added_to_last_counts(mongo: MongoPlace, database: MongoDatabase) -> None:
    newest = ObjectId.from_datetime(NOW)
    mongo.fill(export(conversations=[conversation(_id=newest)]), prefix="fb_")
    mongo.fill(export(conversations=[conversation(_id=ObjectId.from_datetime(ago(9)))]), prefix="fb_src_")
    assert database.names().conversations == "fb_conversations"
    assert database.names().messages == "fb_src_message_items", "neither was ever added to: then the newer name"


def test_a_name_of_ones_own_is_taken_or_missed(mongo: MongoPlace) -> None:
    mongo.fill(export(conversations=[conversation()]), prefix="shop_")
    own = {"conversations": "shop_conversations", "messages": "shop_message_items"}
    with closing(MongoDatabase(mongo.url, mongo.database.name, own)) as database:
        assert database.names().conversations == "shop_conversations"
    with closing(MongoDatabase(mongo.url, mongo.database.name)) as database, pytest.raises(SourceError) as caught:
        database.names()
    assert "holds no collection fb_src_conversations or fb_conversations; look at MONGO_DB" in str(caught.value)
    wrong = {**own, "pages": "shop_shops"}
    with (
        closing(MongoDatabase(mongo.url, mongo.database.name, wrong)) as database,
        pytest.raises(SourceError, match="no collection shop_shops; look at MONGO_DB and MONGO_COLLECTION_PAGES"),
    ):
        database.names()


@pytest.mark.parametrize("written", [NOW, "2026-03-03T04:00:00Z", NOW.timestamp(), None])
def test_documents_that_are_dated_otherwise_are_refused_aloud(
    mongo: MongoPlace, database: MongoDatabase, written: Any
) -> None:
    mongo.fill(export(conversations=[conversation(updatedAt=written)]))
    with pytest.raises(SourceError, match="no updatedAt in Unix milliseconds in fb_conversations"):
        database.check(NOW)
