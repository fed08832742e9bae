"""A store of schema 0002, with a customer of whom people know, is brought forward: nothing is lost or told again."""

import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from chats import ago, policies
from sqlalchemy import bindparam, text

from jobs.conversation_monitor import ConversationMonitor
from roundsman.alerts.book import AlertBook
from roundsman.clock import ManualClock
from roundsman.conversations.source import StoreSource
from roundsman.monitor.findings import Findings, look_into
from roundsman.monitor.page_roll import PagesSetUp
from roundsman.repositories.alert_log import AlertLog
from roundsman.repositories.columns import UtcTime
from roundsman.repositories.engine import Store, StoreOptions, parse_url
from roundsman.repositories.schema import HEAD, OURS
from roundsman.repositories.upgrade import run_migrations
from roundsman.scheduling.job import JobContext, StopToken

NAME = "conversation_unreplied:100_1"
ROWS: dict[str, dict[str, object]] = {
    "conversations": {
        "conversation_id": "100_1", "page_id": "100", "type": "INBOX", "tags": "[]",
        "waiting_since": ago(30), "human_waiting_since": ago(30),
    },
    "messages": {
        "message_id": "m1", "conversation_id": "100_1", "sent_at": ago(30), "is_system": False, "is_staff": False,
        "is_automated": False, "is_removed": False, "is_hidden": False,
    },
    "alerts": {
        "id": 7, "fingerprint": NAME, "kind": "conversation_unreplied", "severity": "medium", "status": "firing",
        "labels": "{}", "annotations": "{}", "since_at": ago(30), "opened_at": ago(15),
    },
    "notifications": {
        "id": 9, "alert_id": 7, "channel": "console", "event": "firing", "status": "sent", "attempts": 1,
        "not_before": ago(15), "created_at": ago(15), "finished_at": ago(14),
        "receipt": '{"words": "a line", "keys": {}}',
    },
}  # fmt: skip


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def upgraded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = parse_url(f"sqlite:///{tmp_path}/store.db") if request.param == "sqlite" else None
    with closing(Store(StoreOptions(url or request.getfixturevalue("postgres_url")))) as store:
        with store.write() as connection:
            run_migrations(connection, OURS.folder, "0002")
            for table, row in ROWS.items():
                values = ", ".join(f":{name}" for name in row)
                times = [bindparam(name, type_=UtcTime()) for name, value in row.items() if isinstance(value, datetime)]
                statement = text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})")
                connection.execute(statement.bindparams(*times), row)
        with store.write() as connection:
            run_migrations(connection, OURS.folder, HEAD)
        yield store


def found(store: Store, clock: ManualClock) -> Findings:
    with store.read() as connection:
        answer = look_into(connection, StoreSource(), policies(), "100_1", clock.now())
    assert answer is not None
    return answer


def test_whoever_was_told_of_is_not_told_again(upgraded: Store, clock: ManualClock) -> None:
    book = AlertBook(upgraded, clock, ["console"], lambda: None)
    monitor = ConversationMonitor(upgraded, book, policies(), StoreSource(), PagesSetUp(lambda: None))
    log = logging.LoggerAdapter(logging.getLogger("test"), {})
    for _ in range(3):
        outcome = monitor.run(JobContext(clock, log, StopToken(), clock.now()))
        assert (outcome.counters["opened"], outcome.counters["escalated"], outcome.counters["late"]) == (0, 0, 1)
        clock.advance(timedelta(minutes=70))
    row = found(upgraded, clock).row
    assert row is not None
    assert (row.incident_since, row.level) == (ago(30), 1)


def test_what_became_of_it_is_in_the_log(upgraded: Store, clock: ManualClock) -> None:
    with upgraded.read() as connection:
        entries = AlertLog().of_alert(connection, 7)
    assert [(entry.at, entry.event, entry.level, entry.channel, entry.detail) for entry in entries] == [
        (ago(15), "opened", 1, None, {"channels": ["console"]}),
        (ago(14), "told", 1, "console", {"news": "firing", "words": "a line"}),
    ]
    assert found(upgraded, clock).told_level == 1
