"""The inbox on both databases, and the channel that writes into it."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from roundsman.alerts.channels.base import DeliveryError, Fault, Receipt
from roundsman.alerts.channels.in_app import LONGEST_TEXT, InAppChannel
from roundsman.alerts.message import Item, Message
from roundsman.clock import ManualClock
from roundsman.repositories.alerts import Severity
from roundsman.repositories.engine import Store
from roundsman.repositories.inbox import InboxMessage, InboxRepository
from roundsman.repositories.notifications import NotificationEvent

INBOX = InboxRepository()


@pytest.fixture
def channel(store: Store, clock: ManualClock) -> InAppChannel:
    return InAppChannel("in_app", clock, store)


def news(title: str = "Lan has waited 23 min", **changes: Any) -> Message:
    facts: dict[str, Any] = {
        "lines": ("Waiting since 10:37",),
        "severity": Severity.MEDIUM,
        "event": NotificationEvent.FIRING,
        "link": "https://pancake.vn/1",
        "fields": {"ALERT": "conversation_unreplied:1"},
    } | changes
    return Message(title, **facts)


def messages(store: Store, *, unread: bool = False) -> list[InboxMessage]:
    with store.read() as connection:
        return INBOX.latest(connection, 100, unread=unread)


def test_a_message_becomes_a_row_that_says_all_of_it(store: Store, clock: ManualClock, channel: InAppChannel) -> None:
    receipt = channel.send(news())
    (found,) = messages(store)
    assert receipt.keys == {"id": str(found.id), "at": found.created_at.isoformat()}
    assert (found.created_at, found.changed_at, found.read_at) == (clock.now(), None, None)
    content = found.content
    assert (content.event, content.severity, content.title) == (
        NotificationEvent.FIRING, Severity.MEDIUM, "Lan has waited 23 min",
    )  # fmt: skip
    assert content.text == "🟡 Lan has waited 23 min\nWaiting since 10:37\nhttps://pancake.vn/1"
    assert (content.link, content.fields) == ("https://pancake.vn/1", {"ALERT": "conversation_unreplied:1"})


def test_an_edit_changes_the_row_and_leaves_it_read(store: Store, clock: ManualClock, channel: InAppChannel) -> None:
    receipt = channel.send(news())
    channel.send(news("Minh has waited 20 min"))
    with store.write() as connection:
        assert INBOX.mark_read(connection, [int(receipt.keys["id"])], by="lan", now=clock.now()) == 1
    clock.advance(timedelta(minutes=5))
    assert channel.edit(receipt, news("answered", event=NotificationEvent.RESOLVED)) == receipt
    other, changed = messages(store)
    assert other.content.title == "Minh has waited 20 min"
    assert (changed.content.title, changed.content.event) == ("answered", NotificationEvent.RESOLVED)
    assert (changed.changed_at, changed.read_by) == (clock.now(), "lan")


def test_what_is_no_longer_there_is_written_anew(store: Store, clock: ManualClock, channel: InAppChannel) -> None:
    gone = channel.send(news())
    clock.advance(timedelta(days=91))
    with store.write() as connection:
        assert INBOX.prune(connection, clock.now() - timedelta(days=90), limit=10) == 1
    assert channel.edit(gone, news("answered")) != gone
    channel.edit(Receipt("of another kind"), news("answered, too"))
    assert [found.content.title for found in messages(store)] == ["answered, too", "answered"]


def test_a_long_digest_is_cut_and_counted(store: Store, channel: InAppChannel) -> None:
    items = tuple(Item(f"Khách {n}", f"https://pancake.vn/?c={n}") for n in range(2000))
    channel.send(news("x" * 50_000, items=items, more="and {count} more"))
    (found,) = messages(store)
    assert len(found.content.text) <= LONGEST_TEXT
    assert " more\n" in found.content.text


def test_a_store_that_is_busy_is_temporary_and_told_in_words(sqlite_store: Store, clock: ManualClock) -> None:
    hasty = Store(replace(sqlite_store.options, busy_timeout_ms=50))
    told = Receipt("", {"id": "1", "at": clock.now().isoformat()})
    with closing(hasty), sqlite_store.write() as connection:
        INBOX.mark_all_read(connection, by="somebody else", now=clock.now())
        channel = InAppChannel("in_app", clock, hasty)
        for call in (partial(channel.send, news()), partial(channel.edit, told, news())):
            with pytest.raises(DeliveryError) as caught:
                call()
            assert caught.value.fault is Fault.TEMPORARY
            assert caught.value.reason.startswith("The inbox could not be written: ")


def test_reading_is_noted_once_with_who_and_when(store: Store, clock: ManualClock, channel: InAppChannel) -> None:
    numbers = [int(channel.send(news(str(n))).keys["id"]) for n in range(3)]
    began = clock.now()
    with store.write() as connection:
        assert INBOX.known(connection, [*numbers, 999]) == set(numbers)
        assert INBOX.mark_read(connection, numbers[:1], by="lan", now=began) == 1
        assert INBOX.mark_read(connection, numbers[:1], by="minh", now=began + timedelta(hours=1)) == 0
        assert INBOX.count_unread(connection) == 2
    assert [found.id for found in messages(store, unread=True)] == [numbers[2], numbers[1]]
    with store.write() as connection:
        assert INBOX.mark_all_read(connection, by="minh", now=began) == 2
        assert INBOX.mark_all_read(connection, by="minh", now=began) == 0
    assert {found.id: found.read_by for found in messages(store)} == dict(
        zip(numbers, ("lan", "minh", "minh"), strict=True)
    )


def test_old_ones_go_in_batches_whether_read_or_not(store: Store, clock: ManualClock, channel: InAppChannel) -> None:
    for number in range(5):
        channel.send(news(str(number)))
        clock.advance(timedelta(days=1))
    with store.write() as connection:
        before = clock.now() - timedelta(days=2)
        assert [INBOX.prune(connection, before, limit=2) for _ in range(3)] == [2, 1, 0]
    assert [found.content.title for found in messages(store)] == ["4", "3"]
