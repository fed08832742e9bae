"""What every source promises: the same documents mean the same, wherever they lie.

FolkForm's documents enter the store through an import, and a MongoDB as they are.
"""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from chats import (
    NOW,
    PAGE,
    Document,
    ago,
    bot,
    conversation,
    customer,
    export,
    message,
    milliseconds,
    naive,
    page,
    policies,
)
from chats import staff as staff_of
from mongo_server import MongoPlace

from roundsman.clock import ManualClock
from roundsman.conversations.importer import Importer
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.mongo.database import MongoDatabase
from roundsman.conversations.mongo.source import MongoSource
from roundsman.conversations.source import ConversationReader, ConversationSource, StoreSource
from roundsman.repositories.conversations import Handover, MessageRecord, Page, Person, WatchedConversation
from roundsman.repositories.engine import Store

SAMPLE = Path(__file__).parents[2] / "samples" / "folkform-export.json"


class Place:
    """Takes documents; opens readers."""

    def __init__(self, source: ConversationSource, store: Store, take: Callable[[Document], None]) -> None:
        self.take, self.source = take, source
        self._store = store

    @contextmanager
    def reader(self) -> Iterator[ConversationReader]:
        with self._store.write() as connection:
            yield self.source.reader(connection)


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mongo", marks=pytest.mark.mongo),
    ]
)
def source(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[Place]:
    """An empty source."""
    if request.param == "mongo":
        place: MongoPlace = request.getfixturevalue("mongo")
        with closing(MongoDatabase(place.url, place.database.name)) as database:
            yield Place(MongoSource(database), request.getfixturevalue("sqlite_store"), place.fill)
        return
    store: Store = request.getfixturevalue(f"{request.param}_store")
    importer = Importer(store, clock, WatchKeeper(policies()))
    yield Place(StoreSource(), store, lambda documents: _import(importer, documents))


def _import(importer: Importer, documents: Document) -> None:
    importer.import_stream(StringIO(json.dumps(documents)), "export.json")


def watched(place: Place, *names: str) -> dict[str, WatchedConversation]:
    with place.reader() as reader:
        return reader.watched(names)


def thread(place: Place, name: str) -> list[MessageRecord]:
    with place.reader() as reader:
        return reader.threads([name])[name]


def test_a_conversation_is_read_with_its_page_and_its_messages(source: Place) -> None:
    source.take(
        export(
            pages=[page(updatedAt=milliseconds(ago(90)), accessToken="page-token")],
            conversations=[conversation(tags=[{"text": "VIP"}, None, "NV9"], updatedAt=milliseconds(ago(1)))],
            messages=[
                message("m2", ago(3), staff_of(), updated_at=milliseconds(ago(3))),
                message("m1", ago(5), updated_at=milliseconds(ago(5))),
                message("m3", ago(2), bot(), is_removed=True, updated_at=milliseconds(ago(2))),
            ],
        )
    )
    (found,) = watched(source, "100_1", "100_404").values()
    assert found.page == Page(PAGE, "Shop 100", "shop100", True, ago(90))
    assert found.conversation.tags == ("VIP", "NV9")
    assert found.conversation.customer_name == "Customer 1"
    assert found.conversation.source_updated_at == ago(1)
    first, second, third = thread(source, "100_1")
    assert (first.message_id, first.sent_at, first.sender_id, first.is_staff) == ("m1", ago(5), "1", False)
    assert (second.message_id, second.sender_name, second.is_staff) == ("m2", "Lan", True)
    assert (third.message_id, third.is_automated, third.is_removed) == ("m3", True, True)


def test_an_empty_source_has_nothing(source: Place) -> None:
    source.take(export(pages=[page()]))
    with source.reader() as reader:
        assert list(reader.pages()) == [PAGE]
        assert reader.watched(["100_1"]) == {}
        assert reader.threads(["100_1"]) == {"100_1": []}
        assert list(reader.all()) == []


def test_a_conversation_without_messages_has_an_empty_thread(source: Place) -> None:
    source.take(export(conversations=[conversation()]))
    assert watched(source, "100_1")["100_1"].page == Page(PAGE)
    assert thread(source, "100_1") == []


def test_a_conversation_that_nobody_describes_is_known_by_its_messages(source: Place) -> None:
    source.take(export(pages=[page()], messages=[message("m1", ago(5), type="COMMENT")]))
    (found,) = watched(source, "100_1").values()
    assert (found.conversation.page_id, found.conversation.type) == (PAGE, "COMMENT")
    assert found.page.name == "Shop 100"


def test_all_come_in_the_order_of_ids_also_the_undescribed(source: Place) -> None:
    names = [f"{number:04}" for number in range(1200)]
    described = random.Random(7).sample([each for each in names if each[-1] != "7"], 1080)
    undescribed = [each for each in names if each[-1] == "7"]
    source.take(
        export(
            conversations=[conversation(each) for each in described],
            messages=[message(f"m{each}", ago(5), name=each) for each in undescribed + described[:50]],
        )
    )
    with source.reader() as reader:
        batches = list(reader.all())
    assert [each.conversation.conversation_id for batch in batches for each in batch] == [
        f"100_{name}" for name in names
    ]
    assert max(map(len, batches)) <= 1000


BROKEN: list[Document] = [
    export(conversations=[conversation("2", panCakeData="an order")]),
    export(conversations=[conversation("2", tags={"text": "VIP"})]),
    export(conversations=[conversation("2", updatedAt="yesterday")]),
    export(conversations=[conversation("2", kind=7)]),
    export(messages=[message("m9", "last week", name="1")]),
    export(messages=[message("m9", ago(1), {"id": ["1"]}, name="1")]),
    export(messages=[message("m9", ago(1), "somebody", name="1")]),
    export(messages=[message("m9", ago(1), attachments="one", name="1")]),
    export(messages=[message("m9", ago(1), is_removed="perhaps", name="1")]),
    export(messages=[{**message("m9", ago(1)), "messageData": "hello"}]),
    export(pages=[page("200", isSync="maybe")]),
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_document_hides_no_other(source: Place, broken: Document) -> None:
    good = export(pages=[page()], conversations=[conversation()], messages=[message("m1", ago(5))])
    source.take({name: [*good[name], *broken[name]] for name in good})
    with source.reader() as reader:
        assert list(reader.pages()) == [PAGE]
        assert reader.watched(["100_1", "100_2"]).keys() == {"100_1"}
        assert [each.message_id for each in reader.threads(["100_1"])["100_1"]] == ["m1"]


@pytest.mark.parametrize(
    ("text", "is_automated"),
    [
        ("[Botcake Reply] Xin chào", True),
        ("<div>\n<p> [Botcake Reply]", True),
        ("Xin chào [Botcake Reply]", False),
        ("\N{NO-BREAK SPACE}[Botcake Reply]", True),
        ("", False),
        (None, False),
        (7, False),
    ],
)
@pytest.mark.parametrize("field", ["message", "original_message"])
def test_a_bot_is_known_by_the_beginning_of_its_text(source: Place, field: str, text: Any, is_automated: bool) -> None:
    source.take(export(conversations=[conversation()], messages=[message("m1", ago(5), staff_of(), **{field: text})]))
    assert [each.is_automated for each in thread(source, "100_1")] == [is_automated]


def test_times_in_every_unit_mean_the_same(source: Place) -> None:
    at = datetime(2026, 3, 3, 3, 0, tzinfo=UTC)
    written: list[Any] = [
        "2026-03-03T03:00:00", "2026-03-03T10:00:00+07:00", at.timestamp(), int(at.timestamp()), milliseconds(at),
        str(milliseconds(at)),
    ]  # fmt: skip
    source.take(
        export(
            conversations=[conversation()],
            messages=[message(f"m{place}", value, updated_at=value) for place, value in enumerate(written)],
        )
    )
    found = thread(source, "100_1")
    assert len(found) == len(written)
    assert {(each.sent_at, each.source_updated_at) for each in found} == {(at, at)}


def test_of_several_copies_the_newest_counts(source: Place) -> None:
    old, new = milliseconds(ago(9)), milliseconds(ago(1))
    source.take(
        export(
            pages=[page(pageName="New", updatedAt=new), page(pageName="Old", updatedAt=old)],
            conversations=[conversation(kind="COMMENT", updatedAt=new), conversation(updatedAt=old)],
            messages=[message("m1", ago(9), updated_at=old), message("m1", ago(9), updated_at=new, is_removed=True)],
        )
    )
    (found,) = watched(source, "100_1").values()
    assert (found.page.name, found.conversation.type) == ("New", "COMMENT")
    assert [each.is_removed for each in thread(source, "100_1")] == [True]


@pytest.mark.mongo
def test_the_whole_sample_means_the_same_in_the_store_and_in_mongo(
    sqlite_store: Store, mongo: MongoPlace, clock: ManualClock
) -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    _import(Importer(sqlite_store, clock, WatchKeeper(policies())), json.loads(text))
    mongo.fill(json_util.loads(text))
    with closing(MongoDatabase(mongo.url, mongo.database.name)) as database, sqlite_store.read() as connection:
        stored, read = StoreSource().reader(connection), MongoSource(database).reader(connection)
        assert read.pages() == stored.pages()
        every = [each for batch in stored.all() for each in batch]
        assert len(every) > 100
        assert [each for batch in read.all() for each in batch] == every
        names = [each.conversation.conversation_id for each in every]
        assert {name: sorted(each) for name, each in read.threads(names).items()} == {
            name: sorted(each) for name, each in stored.threads(names).items()
        }


@pytest.mark.mongo
def test_values_of_bson_mean_what_they_say(mongo: MongoPlace) -> None:
    sent_at = datetime(2026, 3, 3, 3, 0, tzinfo=UTC)
    mongo.fill(
        export(
            pages=[{**page(updatedAt=sent_at), "pageId": Int64(100)}],
            conversations=[conversation(updatedAt=Int64(milliseconds(sent_at)), pageId=Decimal128("100"))],
            messages=[
                message("m1", Int64(milliseconds(sent_at)), {"id": Int64(1), "uid": None, "admin_id": 0.0}),
                message("m2", None, customer(), inserted_at=sent_at),
                message(
                    "m3", None, customer(), inserted_at=json_util.loads('{"$date": {"$numberLong": "-62135596800000"}}')
                ),
            ],
        )
    )
    with closing(MongoDatabase(mongo.url, mongo.database.name)) as database:
        reader = database.reader()
        (found,) = reader.watched(["100_1"]).values()
        messages = reader.threads(["100_1"])["100_1"]
    assert found.page == Page(PAGE, "Shop 100", "shop100", True, sent_at)
    assert found.conversation.source_updated_at == sent_at
    assert [(each.message_id, each.sent_at, each.sender_id, each.is_staff) for each in messages] == [
        ("m1", sent_at, "1", False),
        ("m2", sent_at, "1", False),
    ]
    assert [each.sentence for each in reader.set_aside] == [
        "fb_message_items m3: messageData.inserted_at is missing; the document was set aside."
    ]
    assert sent_at < NOW


def test_whose_it_is_and_how_that_came_to_be_is_read(source: Place) -> None:
    lan, minh = {"id": "u1", "name": "Lan", "fb_id": "9"}, {"id": "u2", "name": "Minh", "email": "m@example.org"}
    told = conversation(customerId="c-7")
    told["panCakeData"] |= {
        "assignee_ids": ["u1", "u3"],
        "current_assign_users": [lan, None],
        "assignee_histories": [
            {"inserted_at": naive(ago(3)), "payload": {"added_users": [lan], "deleted_users": [minh]}},
            {"inserted_at": naive(ago(9)), "payload": {"added_users": [minh]}},
            {"inserted_at": "once", "payload": {"added_users": [minh]}},
            {"inserted_at": naive(ago(1)), "payload": "somebody"},
            None,
        ],
    }
    source.take(export(conversations=[told]))
    found = watched(source, "100_1")["100_1"].conversation
    assert found.customer_id == "c-7"
    assert found.assignees == (Person("u1", "Lan"), Person("u3"))
    assert found.handovers == (
        Handover(ago(9), (Person("u2", "Minh"),)),
        Handover(ago(3), (Person("u1", "Lan"),), (Person("u2", "Minh"),)),
    )
