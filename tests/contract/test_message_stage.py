"""What every store promises about messages that are staged without its write lock and merged under it."""

import random
import threading
from datetime import datetime
from typing import Any

import pytest
from chats import NOW, ago

from roundsman.errors import StoreError
from roundsman.repositories.conversations import ConversationRepository, MessageRecord
from roundsman.repositories.engine import Store, StoreOptions
from roundsman.repositories.message_stage import MessageStage, StagedThread
from roundsman.repositories.versions import Changes


def message(message_id: str, conversation_id: str = "100_1", **fields: Any) -> MessageRecord:
    return MessageRecord(message_id, conversation_id, ago(5), "1", "Mai", False, False, False)._replace(**fields)


def put(store: Store, *records: MessageRecord) -> tuple[Changes, dict[str, StagedThread]]:
    stage = MessageStage()
    with store.write(prepare=lambda connection: stage.fill(connection, records)) as connection:
        threads = stage.threads(connection)
        return stage.merge(connection), threads


def stored(store: Store, *conversation_ids: str) -> dict[str, list[MessageRecord]]:
    with store.read() as connection:
        return ConversationRepository().threads(connection, conversation_ids or ("100_1",))


def test_staging_the_same_again_changes_nothing(store: Store) -> None:
    records = [message(f"m{number}", source_updated_at=NOW if number % 2 else None) for number in range(12_000)]
    assert put(store, *records) == (Changes(new=12_000), {"100_1": StagedThread(12_000, has_stored=False)})
    random.Random(1).shuffle(records)
    assert put(store, *records) == (Changes(unchanged=12_000), {})
    assert put(store, *records, message("more")) == (
        Changes(new=1, unchanged=12_000),
        {"100_1": StagedThread(1, has_stored=True)},
    )


@pytest.mark.parametrize(
    ("old", "offered", "replaced"),
    [
        (ago(5), ago(4), True),
        (ago(5), ago(5), True),  # equally old, but different: the later import has it
        (ago(5), ago(6), False),
        (ago(5), None, False),
        (None, ago(5), True),
        (None, None, True),
    ],
)
def test_an_older_copy_never_replaces_a_newer_one(
    store: Store, old: datetime | None, offered: datetime | None, replaced: bool
) -> None:
    put(store, message("m1", source_updated_at=old))
    changes, threads = put(store, message("m1", source_updated_at=offered, is_removed=True))
    assert changes == Changes(changed=int(replaced), unchanged=int(not replaced))
    assert threads == ({"100_1": StagedThread(1, has_stored=True)} if replaced else {})
    assert [each.is_removed for each in stored(store)["100_1"]] == [replaced]


def test_a_message_that_moves_touches_the_conversation_that_it_leaves(store: Store) -> None:
    put(store, message("m1", "100_1"), message("m2", "100_3"))
    _, threads = put(store, message("m1", "100_2"), message("m3", "100_1"))
    assert threads == {"100_1": StagedThread(1, has_stored=True), "100_2": StagedThread(1, has_stored=False)}
    assert [each.message_id for each in stored(store, "100_2")["100_2"]] == ["m1"]


def test_turned_away_messages_are_not_merged(store: Store) -> None:
    stage = MessageStage()
    records = [message("m1"), message("m2")]
    with store.write(prepare=lambda connection: stage.fill(connection, records)) as connection:
        stage.turn_away(connection, ["m1"])
        assert stage.merge(connection).new == 1
    assert [each.message_id for each in stored(store)["100_1"]] == ["m2"]


def test_another_import_between_staging_and_merging_is_respected(store: Store) -> None:
    """The newer copy of m1 arrives just before the lock is taken; what was found out before does not count any more."""
    stage = MessageStage()
    mine = [message("m1", source_updated_at=ago(2)), message("m2")]

    def overtaken(connection: Any) -> None:
        stage.fill(connection, mine)
        other = threading.Thread(target=put, args=(store, message("m1", source_updated_at=ago(1), is_hidden=True)))
        other.start()
        other.join(30)
        assert not other.is_alive(), "staging holds the write lock"

    with store.write(prepare=overtaken) as connection:
        assert stage.threads(connection) == {"100_1": StagedThread(1, has_stored=True)}
        assert stage.merge(connection) == Changes(new=1, unchanged=1)
    assert {each.message_id: each.is_hidden for each in stored(store)["100_1"]} == {"m1": True, "m2": False}


def test_a_failed_merge_leaves_nothing_and_does_not_hinder_the_next(store: Store) -> None:
    stage = MessageStage()

    def fail() -> None:
        with store.write(prepare=lambda connection: stage.fill(connection, [message("m1")])) as connection:
            stage.merge(connection)
            raise StoreError("made up")

    with pytest.raises(StoreError, match="made up"):
        fail()
    assert stored(store) == {"100_1": []}
    assert put(store, message("m1"))[0].new == 1


def test_staging_needs_no_write_lock(sqlite_store: Store) -> None:
    """It finishes beside an open write transaction; only the merge waits, and says so."""
    hasty = Store(StoreOptions(sqlite_store.options.url, busy_timeout_ms=20))
    filled = []

    def prepare(connection: Any) -> None:
        MessageStage().fill(connection, [message("m1")])
        filled.append(True)

    with sqlite_store.write(), pytest.raises(StoreError, match="locked"), hasty.write(prepare):
        pass
    hasty.close()
    assert filled == [True]


def test_a_full_disk_of_temporary_files_is_named(sqlite_store: Store) -> None:
    """SQLite keeps a stage on the disk of TMPDIR; freeing space beside the store would not help."""

    def prepare(connection: Any) -> None:
        connection.exec_driver_sql("PRAGMA temp.max_page_count = 3")
        MessageStage().fill(connection, [message(f"m{number}") for number in range(1000)])

    with pytest.raises(StoreError, match=r"holds temporary files or .* is full; free"), sqlite_store.write(prepare):
        pass
    assert stored(sqlite_store) == {"100_1": []}
