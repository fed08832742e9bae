"""Imports into a real store: idempotent, in any order, whole or not at all."""

import gzip
import io
import json
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from chats import (
    NOW,
    PAGE,
    Desk,
    Document,
    ago,
    bot,
    conversation,
    customer,
    export,
    message,
    milliseconds,
    page,
    policies,
    staff,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Table, select

from roundsman.clock import ManualClock
from roundsman.conversations.importer import Importer
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.roster import Roster
from roundsman.conversations.source import StoreSource
from roundsman.errors import BadInputError
from roundsman.repositories.conversation_tables import conversations, messages, pages, set_aside, watch_list
from roundsman.repositories.engine import Store
from roundsman.repositories.set_aside import SetAsideRepository
from roundsman.repositories.watch_list import AnsweringClock


@pytest.fixture
def desk(store: Store, clock: ManualClock, tmp_path: Path) -> Desk:
    return Desk(store, clock, tmp_path)


@pytest.fixture
def sqlite_desk(sqlite_store: Store, clock: ManualClock, tmp_path: Path) -> Desk:
    return Desk(sqlite_store, clock, tmp_path)


def contents(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the conversation tables but `set_aside`, whose times move; what was noted of a row is no part."""
    with store.read() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(*_told(table)))), key=repr)
            for table in (pages, conversations, messages, watch_list)
        }


def _told(table: Table) -> list[Column[Any]]:
    return [column for column in table.c if column.name != "observed"]


def empty(store: Store) -> None:
    with store.write() as connection:
        for table in (pages, conversations, messages, watch_list):
            connection.execute(table.delete())


WHOLE = export(
    pages=[page(), page("200", isSync=False)],
    conversations=[conversation("1"), conversation("2", tags=[None]), conversation("9", "200")],
    messages=[
        message("m1", ago(40)),
        message("m2", ago(30), {"id": PAGE}),  # an answer only the conversation's page can tell
        message("m3", ago(20)),
        message("m4", ago(20), name="2"),
        message("m5", ago(19), bot(), name="2"),
        message("m6", ago(90), name="9", page_id="200"),
        message("m7", ago(25), name="3"),  # its conversation is described nowhere
    ],
)


def test_counts_and_verdicts(desk: Desk) -> None:
    summary = desk.take(WHOLE)
    assert {name: (c.new, c.changed, c.unchanged, c.set_aside) for name, c in summary.collections.items()} == {
        "fb_pages": (2, 0, 0, 0),
        "fb_conversations": (3, 0, 0, 0),
        "fb_message_items": (7, 0, 0, 0),
    }
    assert summary.conversations_made == 1
    assert desk.verdicts() == {"100_1": "late", "100_2": "late", "100_3": "late", "200_9": "excluded"}


def test_importing_again_changes_nothing(desk: Desk) -> None:
    desk.take(WHOLE)
    before = contents(desk.store)
    desk.clock.advance(timedelta(minutes=1))
    summary = desk.take(WHOLE)
    assert all((counts.new, counts.changed) == (0, 0) for counts in summary.collections.values())
    assert summary.conversations_made == 0
    assert contents(desk.store) == before


def test_lines_arrays_and_objects_mean_the_same(desk: Desk) -> None:
    desk.take(WHOLE)
    before = contents(desk.store)
    documents = [each for collection in WHOLE.values() for each in collection]
    for text in (
        "\n".join(map(json.dumps, documents)),
        json.dumps(documents),
        "\n".join(json.dumps({name: content}) for name, content in WHOLE.items()),
        "\n".join(
            json.dumps({"collection": name.replace("fb_", "fb_src_"), "document": each})
            for name, content in WHOLE.items()
            for each in content
        ),
        json.dumps({name.replace("fb_", "fb_src_"): content for name, content in WHOLE.items()}),
        "\ufeff" + json.dumps(WHOLE, indent=2),
    ):
        summary = desk.take(text)
        assert all((counts.new, counts.changed) == (0, 0) for counts in summary.collections.values())
        assert contents(desk.store) == before


def test_the_order_of_documents_does_not_matter(desk: Desk) -> None:
    newer = conversation("1", tags=[{"text": "spam"}], updatedAt=milliseconds(ago(1)))
    older = conversation("1", updatedAt=milliseconds(ago(2)))
    removed = message("m3", ago(20), updated_at=milliseconds(ago(1)), is_removed=True)
    present = message("m3", ago(20), updated_at=milliseconds(ago(2)))
    documents = [*WHOLE["fb_pages"], newer, older, removed, present]
    documents += [each for each in WHOLE["fb_message_items"] if each["messageId"] != "m3"]
    rng = random.Random(7)
    results = []
    for _ in range(4):
        rng.shuffle(documents)
        empty(desk.store)
        summary = desk.take(documents)
        results.append((contents(desk.store), summary.collections))
    assert all(result == results[0] for result in results)
    assert results[0][1]["fb_message_items"].unchanged == 1  # the further copy
    assert desk.verdicts()["100_1"] == "excluded"


def test_an_export_may_come_in_parts_in_any_order(desk: Desk) -> None:
    """Messages before their conversation, which is then found to lie on another page than its id told."""
    desk.take(WHOLE)
    whole = contents(desk.store)
    late = desk.verdicts()
    empty(desk.store)
    for name in ("fb_message_items", "fb_conversations", "fb_pages"):
        desk.take({name: WHOLE[name]})
    assert contents(desk.store) == whole
    assert desk.verdicts() == late


def test_a_corrected_page_corrects_who_answered(desk: Desk) -> None:
    answer = message("m2", ago(10), {"id": "777"})
    desk.take(export(messages=[message("m1", ago(20)), answer]))
    assert desk.verdicts() == {"100_1": "late"}
    desk.take(export(conversations=[conversation("1") | {"pageId": "777"}]))
    assert desk.verdicts() == {"100_1": "answered"}


def test_the_stored_page_decides_who_answered_not_the_page_that_messages_tell(desk: Desk) -> None:
    desk.take(export(conversations=[conversation("1") | {"pageId": "777"}, conversation("2")]))
    answer = {"id": "777"}
    desk.take(
        export(
            messages=[
                message("m1", ago(20)),
                message("m2", ago(10), answer),
                message("m3", ago(20), name="2"),
                message("m4", ago(10), answer, name="2"),
            ]
        )
    )
    assert desk.verdicts() == {"100_1": "answered", "100_2": "late"}
    assert "100_1" not in desk.rows()
    assert desk.rows()["100_2"].waiting_since == ago(20)


def test_a_message_that_moves_changes_the_wait_of_both_conversations(desk: Desk) -> None:
    """Its first export had the wrong conversation; the derived columns of the one that it left were not renewed."""
    desk.take(export(conversations=[conversation("1"), conversation("2")], messages=[message("m1", ago(20))]))
    desk.take(export(messages=[message("m1", ago(20), name="2")]))
    with desk.store.read() as connection:
        late = Roster(policies(), StoreSource()).due_now(connection, desk.clock.now())
    assert [each.verdict.conversation_id for each in late] == ["100_2"]
    assert "100_1" not in desk.rows()


def test_an_older_export_does_not_undo_a_newer_one(desk: Desk) -> None:
    new = export(
        pages=[page(isSync=False, updatedAt=milliseconds(ago(1)))],
        conversations=[conversation(tags=[{"text": "VIP"}], panCakeUpdatedAt=milliseconds(ago(1)))],
        messages=[message("m1", ago(20), updated_at=milliseconds(ago(1)), is_removed=True)],
    )
    old = export(
        pages=[page(updatedAt=milliseconds(ago(5)))],
        conversations=[conversation(tags=[], panCakeUpdatedAt=milliseconds(ago(5)))],
        messages=[message("m1", ago(20), updated_at=milliseconds(ago(5)))],
    )
    desk.take(new)
    before = contents(desk.store)
    summary = desk.take(old)
    assert contents(desk.store) == before
    assert all(counts.unchanged == 1 for counts in summary.collections.values())


# --- documents that are set aside ---


def test_broken_documents_are_set_aside_and_the_rest_goes_in(desk: Desk) -> None:
    broken = export(
        pages=[page(), {"pageName": "x"}],
        conversations=[conversation("1"), conversation("2", tags="VIP")],
        messages=[message("m1", ago(20)), message("m2", "hôm qua"), message("m3", ago(20), name="2"), None],
    )
    summary = desk.take(broken)
    assert {name: (counts.new, counts.set_aside) for name, counts in summary.collections.items()} == {
        "fb_pages": (1, 1),
        "fb_conversations": (1, 1),
        "fb_message_items": (2, 2),
    }
    assert len(summary.set_aside) == 4
    # the conversation whose document is broken is still watched
    assert desk.verdicts() == {"100_1": "late", "100_2": "late"}
    desk.take(broken)
    with desk.store.read() as connection:
        stored = SetAsideRepository().all(connection)
    assert len(stored) == 4
    assert ("fb_message_items", "m2", "messageData.inserted_at") in {
        (each.collection, each.document_id, each.field) for each in stored
    }


def test_a_mended_document_is_no_longer_set_aside(desk: Desk) -> None:
    desk.take(export(messages=[message("m1", "hôm qua")]))
    desk.take(export(messages=[message("m1", ago(20))]))
    with desk.store.read() as connection:
        assert SetAsideRepository().all(connection) == []


def test_a_message_whose_page_nobody_knows_is_set_aside(desk: Desk) -> None:
    homeless = message("m1", ago(20), {"id": "5"}) | {"conversationId": "t_"}
    del homeless["messageData"]["page_id"]
    summary = desk.take(export(messages=[homeless]))
    assert [(each.document_id, each.field) for each in summary.set_aside] == [("m1", "messageData.page_id")]
    assert desk.verdicts() == {}


def test_the_page_is_found_in_the_conversations_id_when_nothing_else_tells_it(desk: Desk) -> None:
    lonely = message("m1", ago(20), {"id": "5"}) | {"conversationId": "wa_1_x_5_6"}
    del lonely["messageData"]["page_id"]
    desk.take(export(pages=[page("wa_1_x"), page("wa_1")], messages=[lonely]))
    assert desk.roster()["wa_1_x_5_6"].watched.page.page_id == "wa_1_x"


def test_a_conversation_made_from_a_comment_stays_a_comment(desk: Desk) -> None:
    desk.take(export(messages=[message("m1", ago(20), type="COMMENT")]))
    assert desk.verdicts() == {"100_1": "excluded"}


def test_a_message_from_the_future_waits_until_its_time(desk: Desk) -> None:
    ahead = export(conversations=[conversation()], messages=[message("m1", NOW + timedelta(hours=1))])
    summary = desk.take(ahead)
    assert summary.collections["fb_message_items"].new == 1
    assert len(summary.future) == 1
    assert "fb_message_items m1" in summary.future[0]
    assert "does not count before 2026-03-03T04:50:00Z" in summary.future[0]
    assert desk.verdicts() == {"100_1": "answered"}
    assert desk.verdicts(at=NOW + timedelta(minutes=50)) == {"100_1": "fine"}
    assert desk.verdicts(at=NOW + timedelta(minutes=76)) == {"100_1": "late"}


def test_tokens_are_stored_nowhere(sqlite_desk: Desk, tmp_path: Path) -> None:
    sqlite_desk.take(export(pages=[page(accessToken="tok-1", pageAccessToken="tok-2"), {"accessToken": "tok-3"}]))
    sqlite_desk.store.close()
    for file in tmp_path.glob("roundsman.db*"):
        assert b"tok-" not in file.read_bytes()


def test_an_id_that_no_database_would_index_spoils_only_its_document(desk: Desk) -> None:
    """PostgreSQL refused the whole import with "index row size exceeds maximum"."""
    random_text = "".join(random.Random(1).choices("0123456789abcdef", k=20_000))  # does not compress well
    summary = desk.take(export(messages=[message(random_text, ago(20)), message("m2", ago(20))]))
    assert summary.collections["fb_message_items"].new == 1
    assert summary.collections["fb_message_items"].set_aside == 1
    assert desk.verdicts() == {"100_1": "late"}


# --- files that are refused ---

REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\n ", "is empty"),
    "binary": (b"\x89PNG\r\n\x1a\n\xff\xfe\x00\x00", "is not a text file in UTF-8"),
    "gzip": (gzip.compress(json.dumps(WHOLE).encode()), r"is compressed \(gzip\); unpack it first"),
    "UTF-16": (json.dumps(WHOLE).encode("utf-16"), "is text in UTF-16.* save it as UTF-8"),
    "UTF-16 without a mark": (json.dumps(WHOLE).encode("utf-16-le"), "is text in UTF-16.* save it as UTF-8"),
    "zeros": (b"\0" * 5000, "is not JSON"),
    "no JSON": (b"pageId,pageName\n1,Shop\n", "is not JSON: expecting value at line 1, column 1"),
    "cut off": (json.dumps(WHOLE).encode()[:-40], "breaks off"),
    "a broken line": (json.dumps(page()).encode() + b"\n{broken}\n", "is not JSON: .* line 2, column 2"),
    "another object": (b'{"hello": 1}', "is not a FolkForm export"),
    "a number": (b"42", "is not a FolkForm export"),
    "an array of numbers": (b"[1, 2]", "is not a FolkForm export"),
    "no array": (b'{"fb_pages": {"pageId": "1"}}', "fb_pages is not an array"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_export_is_refused_whole(name: str, sqlite_desk: Desk, tmp_path: Path) -> None:
    content, sentence = REFUSED[name]
    file = tmp_path / "bad.json"
    file.write_bytes(content)
    with pytest.raises(BadInputError, match=sentence) as refusal:
        Importer(sqlite_desk.store, sqlite_desk.clock, WatchKeeper(policies())).import_file(str(file))
    assert str(file) in str(refusal.value)
    assert refusal.value.exit_code == 2
    assert not any(contents(sqlite_desk.store).values())
    with sqlite_desk.store.read() as connection:
        assert connection.execute(set_aside.select()).all() == []


def test_a_missing_file_and_a_directory_are_named(sqlite_desk: Desk, tmp_path: Path) -> None:
    importer = Importer(sqlite_desk.store, sqlite_desk.clock, WatchKeeper(policies()))
    with pytest.raises(BadInputError, match=r"nothing\.json does not exist"):
        importer.import_file(str(tmp_path / "nothing.json"))
    with pytest.raises(BadInputError, match="is a directory"):
        importer.import_file(str(tmp_path))
    with pytest.raises(BadInputError, match="cannot be read"):
        importer.import_file("a\0b")
    with pytest.raises(BadInputError, match="The name of the file is empty"):
        importer.import_file("")


@pytest.mark.parametrize("text", ["[]", '{"fb_pages": []}', '{"fb_message_items": null}'])
def test_an_export_of_nothing_is_an_export(sqlite_desk: Desk, text: str) -> None:
    summary = sqlite_desk.take(text)
    assert all(counts.new == 0 for counts in summary.collections.values())


def test_an_import_that_is_killed_leaves_nothing(sqlite_desk: Desk, tmp_path: Path) -> None:
    """Killed at the last moment: all rows are written, the commit is about to come."""
    file = tmp_path / "whole.json"
    file.write_text(json.dumps(WHOLE), encoding="utf-8")
    script = """
import os, signal, sys
from datetime import timedelta
from sqlalchemy import event
from sqlalchemy.engine import URL
from roundsman.clock import SystemClock
from roundsman.conversations.importer import Importer
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.policies.book import PolicyBook
from roundsman.repositories.engine import Store, StoreOptions
from roundsman.repositories.watch_list import AnsweringClock

policies = PolicyBook.of_settings(AnsweringClock.HUMAN, timedelta(minutes=15), comments=False)
store = Store(StoreOptions(URL.create("sqlite", database=sys.argv[1])))
event.listen(store.engine, "commit", lambda connection: os.kill(os.getpid(), signal.SIGKILL))
Importer(store, SystemClock(), WatchKeeper(policies)).import_file(sys.argv[2])
"""
    database = sqlite_desk.store.options.url.database
    assert database is not None
    done = subprocess.run([sys.executable, "-c", script, database, str(file)], check=False, timeout=60)
    assert done.returncode == -9
    assert not any(contents(sqlite_desk.store).values())
    assert sqlite_desk.take(WHOLE).collections["fb_message_items"].new == 7


# --- the index candidates against the whole truth ---

lines = st.tuples(
    st.integers(-80, 40),  # minutes from now
    st.sampled_from(["customer", "staff", "bot"]),
    st.booleans(),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the test empties the store itself
@given(threads=st.lists(st.lists(lines, max_size=5), max_size=6), later=st.integers(0, 60))
def test_due_now_is_all_that_is_late(
    sqlite_store: Store, threads: list[list[tuple[int, str, bool]]], later: int
) -> None:
    """`due` reads by index; it must find what reading everything finds, now and as time goes on."""
    authors: dict[str, Callable[[str], Document]] = {
        "customer": customer,
        "staff": lambda _: staff(),
        "bot": lambda _: bot(),
    }
    content = export(
        conversations=[
            conversation(str(name), tags=[{"text": "spam"}] if name == 4 else None) for name in range(len(threads))
        ],
        messages=[
            message(f"m{name}.{index}", ago(-minutes), authors[who](str(name)), name=str(name), is_removed=removed)
            for name, thread in enumerate(threads)
            for index, (minutes, who, removed) in enumerate(thread)
        ],
    )
    clock = ManualClock(NOW)
    empty(sqlite_store)
    Importer(sqlite_store, clock, WatchKeeper(policies())).import_stream(io.StringIO(json.dumps(content)), "made")
    clock.advance(timedelta(minutes=later))
    with sqlite_store.read() as connection:
        for waiting_clock in AnsweringClock:
            roster = Roster(policies(waiting_clock), StoreSource())
            assert roster.due_now(connection, clock.now()) == roster.due(connection, clock.now())
