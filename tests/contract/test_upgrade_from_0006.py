"""A store of schema 0006, in the midst of telling: what was sent is not sent again, and what waits leaves."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from alert_samples import KIND, ZONE, Mailbox, book_of, sender_of
from chats import ago
from sqlalchemy import bindparam, select, text

from roundsman.alerts.delivery import Delivered
from roundsman.alerts.keeper import AlertKeeper
from roundsman.alerts.sender import Sender
from roundsman.cli.alert_why import words_of
from roundsman.clock import ManualClock
from roundsman.repositories.alert_log import AlertLog
from roundsman.repositories.columns import UtcTime
from roundsman.repositories.engine import Store, StoreOptions, parse_url
from roundsman.repositories.schema import HEAD, OURS
from roundsman.repositories.tables import notifications
from roundsman.repositories.upgrade import run_migrations

RECEIPT = '{"words": "a message", "keys": {"number": "old"}}'


def alert(number: int, *, is_over: bool = False) -> Mapping[str, object]:
    over = {"resolved_at": ago(2), "resolution": "answered"} if is_over else {}
    return {
        "id": number, "fingerprint": f"{KIND}:{number}", "kind": KIND, "severity": "medium", "level": 1,
        "status": "resolved" if is_over else "firing", "labels": "{}",
        "annotations": f'{{"customer_name": "Customer {number}", "page_name": "Shop A", "waited_minutes": 16}}',
        "since_at": ago(30), "opened_at": ago(15), **over,
    }  # fmt: skip


def notification(number: int, alert_id: int, status: str, **more: object) -> Mapping[str, object]:
    return {
        "id": number, "alert_id": alert_id, "channel": "mailbox", "event": "firing", "level": 1, "rank": 2998,
        "is_digest": False, "status": status, "attempts": 0, "not_before": ago(15), "created_at": ago(15), **more,
    }  # fmt: skip


def member(
    notification_id: int, alert_id: int, event: str = "firing", channel: str = "mailbox"
) -> Mapping[str, object]:
    return {"notification_id": notification_id, "alert_id": alert_id, "channel": channel, "event": event, "level": 1}


ROWS: tuple[tuple[str, Mapping[str, object]], ...] = (
    *(("alerts", alert(number, is_over=number == 3)) for number in range(1, 8)),
    ("notifications", notification(11, 1, "sent", finished_at=ago(14), receipt=RECEIPT)),
    ("notifications", notification(12, 2, "pending")),
    ("notifications", notification(13, 3, "sent", finished_at=ago(14), receipt=RECEIPT)),
    ("notifications", notification(14, 3, "pending", event="resolved", edits=13, rank=2999)),
    ("notifications", notification(15, 4, "pending", is_digest=True)),
    ("notifications", notification(16, 6, "sending", owner="gone/boot/1/1", lease_until=ago(14), attempts=1)),
    ("notifications", notification(17, 7, "pending", channel="gone")),
    *(("notification_alerts", member(10 + number, number)) for number in range(1, 4)),
    ("notification_alerts", member(14, 3, "resolved")),
    ("notification_alerts", member(15, 4)),
    ("notification_alerts", member(15, 5)),
    ("notification_alerts", member(16, 6)),
    ("notification_alerts", member(17, 7, channel="gone")),
)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def upgraded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = parse_url(f"sqlite:///{tmp_path}/store.db") if request.param == "sqlite" else None
    with closing(Store(StoreOptions(url or request.getfixturevalue("postgres_url")))) as store:
        with store.write() as connection:
            run_migrations(connection, OURS.folder, "0006")
            for table, row in ROWS:
                values = ", ".join(f":{name}" for name in row)
                times = [bindparam(name, type_=UtcTime()) for name, value in row.items() if isinstance(value, datetime)]
                statement = text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})")
                connection.execute(statement.bindparams(*times), row)
            if connection.dialect.name == "postgresql":
                for table in ("alerts", "notifications"):
                    connection.execute(text(f"ALTER TABLE {table} ALTER id RESTART WITH 100"))
        with store.write() as connection:
            run_migrations(connection, OURS.folder, HEAD)
        yield store


def statuses(store: Store) -> dict[int, str]:
    with store.read() as connection:
        rows = connection.execute(select(notifications.c.id, notifications.c.status)).all()
    return {row.id: row.status for row in rows}


def drained(sender: Sender, clock: ManualClock) -> None:
    for _ in range(30):
        if sender.run_once("mailbox") in (Delivered.NOTHING, Delivered.NOT_YET):
            clock.advance(timedelta(seconds=30))


def test_what_waits_leaves_once_and_what_was_sent_is_changed(upgraded: Store, clock: ManualClock) -> None:
    mailbox = Mailbox()
    sender = sender_of(upgraded, clock, [mailbox])
    sender.register()
    drained(sender, clock)
    assert set(statuses(upgraded).values()) == {"sent", "pending"}
    assert statuses(upgraded)[17] == "pending", "of a channel that is gone"
    told = sorted(mailbox.titles)
    assert [title.split(" has waited")[0] for title in told] == [
        "2 customers have waited too long", "Customer 2", "Customer 6",
    ]  # fmt: skip
    assert [(receipt.keys["number"], message.title) for receipt, message in mailbox.edited] == [
        ("old", "Customer 3 no longer waits on Shop A: answered")
    ]
    book = book_of(upgraded, clock, sender)
    with book.transaction("monitor") as desk:
        for number in (1, 2, 4, 5, 6):
            desk.resolve(f"{KIND}:{number}", "answered", answered_at="now", waited_minutes=20)
    drained(sender, clock)
    clock.advance(timedelta(minutes=16))
    AlertKeeper(upgraded, clock, book).keep()
    drained(sender, clock)
    news = [title for title in mailbox.titles if "waited" in title]
    assert len(news) == 4
    assert news[-1].startswith("Customer 7"), "that of the channel that is gone is told here"
    assert {receipt.keys["number"] for receipt, _ in mailbox.edited} == {"old", "1", "2", "3"}
    assert "pending" not in statuses(upgraded).values()
    with upgraded.read() as connection:
        words = [words_of(each, ZONE) for each in AlertLog().of_alert(connection, 7)]
    assert words[-1].startswith("told on mailbox: message ")
