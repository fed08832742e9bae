"""FolkForm documents: what is read from them, in all their spellings, and the sentence when they are broken."""

from datetime import UTC, datetime
from typing import Any

import pytest
from chats import conversation, message, page

from roundsman.conversations.feed import Item
from roundsman.conversations.folkform import Collection, FolkFormReader, Ignored, recognise
from roundsman.conversations.folkform_records import PlacedMessage, page_of_conversation_id
from roundsman.repositories.conversations import Conversation, Page
from roundsman.repositories.set_aside import SetAside

AT = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)


def read(document: Any, collection: str | None = None) -> Any:
    return FolkFormReader("export.json").read(Item(collection, document))


@pytest.mark.parametrize("prefix", ["fb_", "fb_src_"])
def test_both_families_of_collection_names(prefix: str) -> None:
    assert isinstance(read(page(), f"{prefix}pages"), Page)
    assert isinstance(read(conversation(), f"{prefix}conversations"), Conversation)
    assert isinstance(read(message("m1", AT), f"{prefix}message_items"), PlacedMessage)


@pytest.mark.parametrize("name", ["fb_customers", "fb_messages", "agent_core_registry"])
def test_other_collections_are_passed_over(name: str) -> None:
    assert read({"x": 1}, name) == Ignored(name)


def test_lines_are_recognised_by_their_fields() -> None:
    assert recognise(page()) is Collection.PAGES
    assert recognise({"pageId": "1"}) is Collection.PAGES
    assert recognise(conversation()) is Collection.CONVERSATIONS
    assert recognise({"pageId": "1", "panCakeData": {"id": "1_2", "type": "INBOX"}}) is Collection.CONVERSATIONS
    assert recognise(message("m1", AT)) is Collection.MESSAGES
    assert recognise({"conversationId": "1_2", "totalMessages": 3, "hasMore": False}) is None
    assert recognise({"customerId": "c", "pageId": "1", "panCakeUpdatedAt": 1}) is not Collection.PAGES
    assert recognise(["x"]) is None


def test_a_labelled_line() -> None:
    assert read({"collection": "fb_src_pages", "document": page("7")}).page_id == "7"
    assert isinstance(read({"collection": "fb_pages", "document": None}), SetAside)


def test_a_page() -> None:
    document = page("7", isSync=False, accessToken="secret-token", pageAccessToken="secret-too", updatedAt=1772510602)
    record = read(document, "fb_pages")
    assert record == Page("7", "Shop 7", "shop7", False, datetime(2026, 3, 3, 4, 3, 22, tzinfo=UTC))
    assert "secret" not in repr(record)
    assert read({"pageId": 7, "isSync": None}, "fb_pages") == Page("7")


def test_a_conversation() -> None:
    document = {
        "pageId": {"$numberLong": "100"},
        "conversationId": "100_5",
        "panCakeUpdatedAt": {"$numberLong": "1772510602000"},
        "updatedAt": 1772510000000,
        "panCakeData": {
            "type": "inbox",
            "tags": [None, {"text": "VIP"}, {"text": None}, "spam", 5],
            "from": {"id": "100", "name": "The page itself"},
            "customers": [None, {"id": "5", "name": "Mai"}],
            "updated_at": "2026-03-03T04:03:21",
        },
    }
    assert read(document, "fb_conversations") == Conversation(
        "100_5",
        "100",
        "INBOX",
        "Mai",
        tags=("VIP", "spam"),
        source_updated_at=datetime(2026, 3, 3, 4, 3, 22, tzinfo=UTC),
    )


def test_ids_may_stand_in_the_pancake_object_only() -> None:
    record = read({"panCakeData": {"id": "100_5", "page_id": "100"}}, "fb_conversations")
    assert (record.conversation_id, record.page_id, record.type, record.tags) == ("100_5", "100", "INBOX", ())
    inner = {"id": "m", "conversation_id": "100_5", "inserted_at": "2026-03-03T04:00:00", "type": "COMMENT"}
    placed = read({"messageData": inner}, "fb_message_items")
    assert (placed.record.message_id, placed.record.conversation_id, placed.type) == ("m", "100_5", "COMMENT")


@pytest.mark.parametrize(
    "written",
    [
        "1083412906251",
        1083412906251,
        1083412906251.0,
        {"$numberLong": "1083412906251"},
        {"$numberDouble": "1083412906251.0"},
    ],
)
def test_an_id_is_the_same_in_every_spelling(written: Any) -> None:
    assert read({"pageId": written}, "fb_pages") == Page("1083412906251")


def test_an_id_too_long_for_an_index_is_set_aside() -> None:
    for written in ("x" * 501, int("9" * 4000), {"$numberLong": "9" * 5000}):
        broken = read({"pageId": written, "_id": "p1"}, "fb_pages")
        assert (broken.document_id, broken.field) == ("p1", "pageId")
        assert "more than the 500 allowed" in broken.sentence
        assert len(broken.sentence) < 200


@pytest.mark.parametrize("nothing", [0, {"$numberInt": "0"}, {"$numberDouble": "0.0"}, "", None])
def test_an_account_number_of_nothing_is_no_sign_of_the_staff(nothing: Any) -> None:
    author = {"id": "7", "uid": nothing, "admin_id": nothing, "admin_name": " "}
    assert read(message("m1", AT, author), "fb_message_items").record.is_staff is False


def test_yes_and_no_as_numbers() -> None:
    for no in (0, 0.0, "0", {"$numberInt": "0"}, {"$numberDouble": "0.0"}):
        assert read(page("7", isSync=no), "fb_pages").is_synced is False
    for yes in (1, 1.0, "True", {"$numberInt": "1"}):
        assert read(page("7", isSync=yes), "fb_pages").is_synced is True


def test_pancakes_own_time_comes_before_the_extracted_one() -> None:
    assert read(message("m", AT) | {"insertedAt": 1}, "fb_message_items").record.sent_at == AT
    without = message("m", None) | {"insertedAt": {"$numberLong": "1772510602000"}}
    assert read(without, "fb_message_items").record.sent_at == datetime(2026, 3, 3, 4, 3, 22, tzinfo=UTC)


def test_what_a_database_refuses_is_cleaned_from_texts() -> None:
    record = read(page("7", pageName="a\0b \ud83d c"), "fb_pages")
    assert record.name == "a\ufffdb ? c"


BROKEN: dict[str, tuple[str, Any, str, str]] = {
    # name: (collection, document, id in the sentence, field)
    "no object": ("fb_pages", "text", "export.json#1", "it"),
    "null": ("fb_message_items", None, "export.json#1", "it"),
    "a page without an id": ("fb_pages", {"_id": {"$oid": "abc"}, "pageName": "x"}, "abc", "pageId"),
    "a page without any id": ("fb_pages", {"pageName": "x"}, "export.json#1", "pageId"),
    "a page with a strange flag": ("fb_pages", page("7", isSync="maybe"), "7", "isSync"),
    "a page id that is a list": ("fb_pages", page() | {"pageId": [1]}, "export.json#1", "pageId"),
    "a conversation without an id": (
        "fb_conversations",
        {"_id": "x", "pageId": "1", "panCakeData": {}},
        "x",
        "conversationId",
    ),
    "a conversation without a page": ("fb_conversations", {"conversationId": "1_2"}, "1_2", "pageId"),
    "tags that are a text": ("fb_conversations", conversation(tags="VIP"), "100_1", "panCakeData.tags"),
    "a type that is a number": ("fb_conversations", conversation(kind=5), "100_1", "panCakeData.type"),
    "a version that is no time": ("fb_conversations", conversation(panCakeUpdatedAt="x"), "100_1", "panCakeUpdatedAt"),
    "pancake data that is a list": (
        "fb_conversations",
        {"conversationId": "1_2", "pageId": "1", "panCakeData": []},
        "1_2",
        "panCakeData",
    ),
    "a message without an id": (
        "fb_message_items",
        {"_id": "x", "conversationId": "c", "messageData": {"inserted_at": "2026-03-03"}},
        "x",
        "messageId",
    ),
    "a message without a conversation": (
        "fb_message_items",
        {"messageId": "m", "messageData": {"inserted_at": "2026-03-03"}},
        "m",
        "conversationId",
    ),
    "a message without data": ("fb_message_items", {"messageId": "m", "conversationId": "c"}, "m", "messageData"),
    "null data": ("fb_message_items", message("m", AT) | {"messageData": None}, "m", "messageData"),
    "no time": ("fb_message_items", message("m", None), "m", "messageData.inserted_at"),
    "a word for a time": ("fb_message_items", message("m", "hôm qua"), "m", "messageData.inserted_at"),
    "true for a time": ("fb_message_items", message("m", True), "m", "messageData.inserted_at"),
    "an absurd time": ("fb_message_items", message("m", "1969-07-20T20:17:00"), "m", "messageData.inserted_at"),
    "an absurd time outside": ("fb_message_items", message("m", None) | {"insertedAt": 10**15}, "m", "insertedAt"),
    "a sender that is a text": ("fb_message_items", message("m", AT, "Mai"), "m", "messageData.from"),
    "a strange flag": ("fb_message_items", message("m", AT, is_removed="perhaps"), "m", "messageData.is_removed"),
    "attachments without an array": (
        "fb_message_items",
        message("m", AT, attachments={}),
        "m",
        "messageData.attachments",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_document_gets_one_sentence(name: str) -> None:
    collection, document, document_id, field = BROKEN[name]
    reading = read(document, collection)
    assert isinstance(reading, SetAside)
    assert (reading.collection, reading.document_id, reading.field) == (collection, document_id, field)
    assert reading.sentence.startswith(f"{collection} {document_id}: {field} ")
    assert reading.sentence.endswith("; the document was set aside.")
    assert "\n" not in reading.sentence


def test_strange_names_break_nothing() -> None:
    assert read(page("7", pageName=5, pageUsername=[]), "fb_pages") == Page("7")
    assert read(message("m", AT, {"id": "5", "name": {}}), "fb_message_items").record.sender_name is None


def test_a_document_of_no_kind_is_set_aside() -> None:
    reading = read({"_id": "x", "hello": 1})
    assert isinstance(reading, SetAside)
    assert "neither a page nor a conversation nor a message" in reading.sentence


def test_the_page_in_a_conversations_id() -> None:
    assert page_of_conversation_id("100_5") == "100"
    assert page_of_conversation_id("wa_c.us@84_5") == "wa_c.us@84"
    assert page_of_conversation_id("t100") is None
    assert page_of_conversation_id("_5") is None
