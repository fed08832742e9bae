"""The five traps into which the program that this one replaces fell (FEATURES.md, T1 to T5), each as a test."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from chats import NOW, Desk, ago, conversation, export, message, milliseconds, naive

from jobs.conversation_monitor import ConversationMonitor
from roundsman.alerts.book import AlertBook
from roundsman.clock import ManualClock
from roundsman.conversations.source import StoreSource
from roundsman.monitor.page_roll import PagesSetUp
from roundsman.repositories.engine import Store
from roundsman.scheduling.job import JobContext, StopToken


@pytest.fixture
def desk(sqlite_store: Store, clock: ManualClock, tmp_path: Path) -> Desk:
    return Desk(sqlite_store, clock, tmp_path)


def walk(desk: Desk) -> int:
    """How many alerts one round opens, in a process of its own."""
    book = AlertBook(desk.store, desk.clock, ["console"], lambda: None)
    monitor = ConversationMonitor(desk.store, book, desk.book, StoreSource(), PagesSetUp(lambda: None))
    log = logging.LoggerAdapter(logging.getLogger("test"), {})
    return dict(monitor.run(JobContext(desk.clock, log, StopToken(), desk.clock.now())).counters)["opened"]


@pytest.mark.parametrize(
    "outside",
    [
        milliseconds(ago(20)),
        milliseconds(ago(20)) // 1000,
        naive(ago(20)),
        f"{naive(ago(20))}Z",
        {"$numberLong": str(milliseconds(ago(20)))},
    ],
)
def test_t1_milliseconds_are_not_seconds(desk: Desk, outside: Any) -> None:
    """The origin compared `insertedAt` in milliseconds with seconds: every wait was negative, and no alert came."""
    desk.take(export(messages=[message("m1", None) | {"insertedAt": outside}]))
    assert desk.roster()["100_1"].verdict.waited_minutes == 20.0
    assert walk(desk) == 1


@pytest.mark.parametrize("minutes", [15.1, 60, 301, 60 * 24 * 30])
def test_t2_no_window_hides_those_who_wait_longest(desk: Desk, minutes: float) -> None:
    """The origin looked at rows of the last 5 to 300 minutes, and then skipped those older than 5: it was mute."""
    desk.take(
        export(
            conversations=[conversation(updatedAt=milliseconds(ago(minutes)))], messages=[message("m", ago(minutes))]
        )
    )
    assert walk(desk) == 1


def test_t3_tags_and_assignments_move_no_clock(desk: Desk) -> None:
    """The origin measured from the conversation's `updated_at`, which a tag or an assignment moves as well."""
    touched = conversation(
        tags=[{"text": "NV9"}], panCakeUpdatedAt=milliseconds(ago(0.5)), updatedAt=milliseconds(ago(0.5))
    )
    touched["panCakeData"] |= {
        "updated_at": naive(ago(0.5)),
        "assignee_histories": [{"inserted_at": naive(ago(0.5)), "payload": {"added_users": [{"id": "7"}]}}],
        "tag_histories": [{"inserted_at": naive(ago(0.5)), "payload": {"action": "add"}}],
    }
    desk.take(export(conversations=[conversation(updatedAt=milliseconds(ago(40)))], messages=[message("m1", ago(40))]))
    before = desk.roster()["100_1"].verdict
    desk.take(export(conversations=[touched]))
    assert desk.roster()["100_1"].watched.conversation.tags == ("NV9",)
    assert desk.roster()["100_1"].verdict == before
    assert walk(desk) == 1


@pytest.mark.parametrize("page_id", ["100", "wa_c.us@840000000101", "zl_1", "igo_1"])
def test_t4_customers_have_no_facebook_address_and_bots_do_not_answer(desk: Desk, page_id: str) -> None:
    """The origin knew customers by "@facebook.com", which Messenger alone has, and took a bot's reply as an answer."""
    bots = [
        {"id": page_id, "is_automated": True},
        {"id": page_id, "email": "shop@facebook.com", "ai_generated": True},
        {"id": page_id},
    ]
    desk.take(
        export(
            messages=[
                message("m1", ago(30), {"id": "5", "name": "Mai"}, page_id=page_id),
                message("m2", ago(29), bots[0], page_id=page_id),
                message("m3", ago(28), bots[1], page_id=page_id),
                message("m4", ago(27), bots[2], page_id=page_id, message="[Botcake Reply] Chào bạn"),
            ]
        )
    )
    (entry,) = desk.roster().values()
    assert (entry.verdict.verdict, entry.verdict.waiting_since) == ("late", None)
    assert entry.verdict.human_waiting_since == ago(30)
    assert walk(desk) == 1


def test_t5_a_restart_repeats_nothing_and_the_night_hides_nothing(desk: Desk) -> None:
    """The origin kept in memory what it had sent, and slept from 22:30 to 08:30 by the server's own clock."""
    desk.take(export(messages=[message("m1", ago(20))]))
    assert [walk(desk) for _ in range(3)] == [1, 0, 0]
    for hour in range(24):
        desk.clock.advance(timedelta(hours=1))
        name = f"at hour {hour}"
        asked = message(name, desk.clock.now() - timedelta(minutes=16), {"id": name}, name=name)
        desk.take(export(messages=[asked]))
        assert walk(desk) == 1
    assert desk.clock.now() == NOW + timedelta(days=1)
