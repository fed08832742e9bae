"""What every store promises about pages, conversations, messages and documents set aside."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from chats import NOW, ago

from roundsman.repositories.conversations import (
    Conversation,
    ConversationRepository,
    Handover,
    MessageRecord,
    Page,
    Person,
)
from roundsman.repositories.engine import Store
from roundsman.repositories.message_stage import MessageStage
from roundsman.repositories.set_aside import SetAside, SetAsideRepository

REPOSITORY = ConversationRepository()
LAN, MINH = Person("u1", "Lan"), Person("u2")
HANDOVER = Handover(ago(90.5), (LAN,), (MINH,))


def conversation(conversation_id: str, **fields: Any) -> Conversation:
    usual = Conversation(conversation_id, "100", "INBOX", "Mai", "c1", ("VIP",), (LAN,), (HANDOVER,), NOW)
    return usual._replace(**fields)


def message(message_id: str, minutes_ago: float = 5, conversation_id: str = "100_1", **fields: Any) -> MessageRecord:
    record = MessageRecord(message_id, conversation_id, ago(minutes_ago), "1", "Mai", False, False, False)
    return record._replace(**fields)


def put_messages(store: Store, records: list[MessageRecord]) -> None:
    stage = MessageStage()
    with store.write(prepare=lambda connection: stage.fill(connection, records)) as connection:
        stage.merge(connection)


def test_what_was_put_is_read_back(store: Store) -> None:
    page = Page("100", "Tiệm Hoa", "tiemhoa", False, NOW)
    first = message("m1", 5.5, source_updated_at=ago(1))
    second = message("m2", 3, sender_id=None, sender_name=None, is_system=True, is_staff=True, is_automated=True)
    third = message("m3", 4, is_removed=True, is_hidden=True)
    with store.write() as connection:
        REPOSITORY.put_pages(connection, [page])
        REPOSITORY.put_conversations(connection, [conversation("100_1"), conversation("100_2", tags=())])
    put_messages(store, [second, first, third])
    with store.read() as connection:
        watched = REPOSITORY.watched(connection, ["100_1", "100_2", "unknown"])
        threads = REPOSITORY.threads(connection, ["100_1", "100_2"])
    assert watched.keys() == {"100_1", "100_2"}
    assert watched["100_1"].conversation == conversation("100_1")
    assert watched["100_1"].page == page
    assert threads == {"100_1": [first, third, second], "100_2": []}


def test_a_page_without_a_document_is_synced_and_named_by_its_id(store: Store) -> None:
    with store.write() as connection:
        REPOSITORY.put_conversations(connection, [conversation("100_1")])
        assert REPOSITORY.watched(connection, ["100_1"])["100_1"].page == Page("100")


@pytest.mark.parametrize(
    ("stored", "offered", "replaced"),
    [
        (ago(5), ago(4), True),
        (ago(5), ago(5), True),  # equally old, but different: the later import has it
        (ago(5), ago(6), False),
        (ago(5), None, False),
        (None, ago(5), True),
        (None, None, True),
    ],
)
def test_an_older_copy_never_replaces_a_newer_one(store: Store, stored: Any, offered: Any, replaced: bool) -> None:
    with store.write() as connection:
        REPOSITORY.put_conversations(connection, [conversation("100_1", type="INBOX", source_updated_at=stored)])
        changes = REPOSITORY.put_conversations(
            connection, [conversation("100_1", type="COMMENT", source_updated_at=offered)]
        )
        found = REPOSITORY.watched(connection, ["100_1"])["100_1"].conversation.type
    assert found == ("COMMENT" if replaced else "INBOX")
    assert (changes.changed, changes.unchanged) == (int(replaced), int(not replaced))


def test_missing_ones_are_added_and_known_ones_kept(store: Store) -> None:
    with store.write() as connection:
        REPOSITORY.put_conversations(connection, [conversation("100_1")])
        REPOSITORY.add_missing(connection, [Conversation("100_1", "9", "X"), Conversation("100_2", "9", "X")])
        watched = REPOSITORY.watched(connection, ["100_1", "100_2"])
        assert REPOSITORY.known(connection, ["100_1", "100_2", "100_3"]) == {"100_1", "100_2"}
    assert watched["100_1"].conversation.page_id == "100"
    assert watched["100_2"].conversation.page_id == "9"


def test_all_conversations_come_in_bounded_lists(store: Store) -> None:
    names = [f"100_{number:04d}" for number in range(1100)]
    with store.write() as connection:
        assert REPOSITORY.is_empty(connection)
        REPOSITORY.put_conversations(connection, [conversation(name) for name in reversed(names)])
        batches = list(REPOSITORY.all(connection))
        assert not REPOSITORY.is_empty(connection)
    assert max(map(len, batches)) == 500
    assert [each.conversation.conversation_id for batch in batches for each in batch] == names


def test_locking_takes_any_number_of_ids(store: Store) -> None:
    with store.write() as connection:
        REPOSITORY.put_conversations(connection, [conversation(f"100_{number}") for number in range(700)])
        REPOSITORY.lock(connection, [f"100_{number}" for number in range(1500)])
        REPOSITORY.lock(connection, [])


def test_a_document_is_set_aside_once_until_a_good_copy_comes(store: Store) -> None:
    repository = SetAsideRepository()
    broken = SetAside("fb_pages", "7", "isSync", "fb_pages 7: isSync is neither true nor false.")
    other = SetAside("fb_message_items", "7", "messageId", "...")
    with store.write() as connection:
        repository.put(connection, [broken, other], NOW)
        repository.put(connection, [replace(broken, field="pageName")], NOW + timedelta(minutes=1))
        assert repository.all(connection) == [other, replace(broken, field="pageName")]
        repository.forget(connection, "fb_pages", ["7", "8"])
        assert repository.all(connection) == [other]
