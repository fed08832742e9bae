"""kill -9 of the whole daemon at random moments, while conversations come in and the monitor alerts over Slack."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import chats
import pytest
from daemon_process import PRODUCT, Notifications, Place, alive, until
from fake_slack import FakeSlack, listening
from sqlalchemy import select

from roundsman.clock import SystemClock
from roundsman.conversations.importer import Importer
from roundsman.conversations.keeper import WatchKeeper
from roundsman.repositories.engine import Store
from roundsman.repositories.tables import alerts, notifications

KILLS = 200
EXEC_EVERY = 10
"""Every tenth life begins as systemd would begin it; the others are forked, at the moment where the work begins."""
UNREADY_EVERY = 4
"""Of the forked lives every fourth is killed before or around READY=1, the others after it."""
LONGEST_LIFE_S = 0.5
EXEC_S = 0.6
"""What an interpreter needs before the work begins."""
PATIENCE_S = 180.0
"""The last life may find a crowd to tell of, one a second."""


class Nursery:
    """Daemons of the product on one store, one life at a time."""

    def __init__(self, place: Place) -> None:
        self.notifications = Notifications()
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("daemon_nursery.py"), place.state / "log"],
            env=place.environment(PYTHONPATH=str(PRODUCT.parent), NOTIFY_SOCKET=self.notifications.address),
            cwd=place.state,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def fork(self) -> int:
        """A new life; returns its PID."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("live\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def ready_times(self) -> int:
        """How often a life has become ready so far."""
        return self.notifications.count("READY=1")

    def close(self) -> None:
        self._process.communicate(timeout=10)
        self.notifications.close()


@contextmanager
def nursery(place: Place) -> Iterator[Nursery]:
    it = Nursery(place)
    try:
        yield it
    finally:
        it.close()


class Shop:
    """Where customers write and nobody answers."""

    def __init__(self, store: Store) -> None:
        self._importer = Importer(store, SystemClock(), WatchKeeper(chats.policies()))
        self.incidents = 0

    def customers_wait(self, count: int) -> None:
        """So many more late conversations come in."""
        names = [f"c{number}" for number in range(self.incidents, self.incidents + count)]
        since = SystemClock().now() - timedelta(minutes=30)
        export = chats.export(
            pages=[chats.page()],
            conversations=[chats.conversation(name) for name in names],
            messages=[
                chats.message(f"m{name}", since, {"id": name, "name": _customer(name)}, name=name) for name in names
            ],
        )
        for document in export["fb_conversations"]:
            author = document["panCakeData"]["from"]
            author["name"] = _customer(author["id"])
        self._importer.import_stream(io.StringIO(json.dumps(export)), "the test's export")
        self.incidents += count


def _customer(name: str) -> str:
    return f"incident-{name.removeprefix('c')}-"


def told_of_all(slack: FakeSlack, incidents: int) -> bool:
    with slack.lock:
        return set(slack.told) == set(range(incidents))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_hundred_kills_of_the_daemon_lose_no_incident_and_repeat_one_at_most_each(tmp_path: Path) -> None:
    chance = random.Random(20260303)
    with listening(seed=1) as slack:
        place = Place(
            tmp_path,
            program=PRODUCT,
            settings={
                "SLACK_WEBHOOK_URL": slack.url,
                "ALERT_CHANNELS": "slack",
                "JOB_CONVERSATION_MONITOR_SCHEDULE": "every 100ms",
            },
        )
        assert place.command("status").returncode == 0  # makes the store
        with place.store() as store, nursery(place) as forge:
            shop = Shop(store)
            for life in range(KILLS):
                shop.customers_wait(chance.choice((0, 0, 1, 1)))
                if life % EXEC_EVERY == 0:
                    with place.start() as daemon:
                        time.sleep(chance.uniform(0, EXEC_S + LONGEST_LIFE_S))  # the moment is what is tried
                    continue
                ready_before = forge.ready_times()
                pid = forge.fork()
                if life % UNREADY_EVERY:
                    until(lambda: forge.ready_times() > ready_before, "READY=1")  # noqa: B023  used at once
                    shop.customers_wait(chance.choice((0, 0, 1)))  # also while it works
                time.sleep(chance.uniform(0, LONGEST_LIFE_S))
                os.kill(pid, signal.SIGKILL)
                until(lambda: not alive(pid), "its death")  # noqa: B023  used at once
            with place.start().ready() as daemon:
                until(lambda: told_of_all(slack, shop.incidents), "word of every incident", PATIENCE_S)
                until(lambda: all_sent(store, shop.incidents), "the record of every delivery")
                place.runs("conversation_monitor", 2)
                assert daemon.stop() == 0
            assert_one_row_each(store, shop.incidents)
        assert all(row.outcome is not None for row in place.rows("conversation_monitor") if row.attempt)
        repeats = slack.told.total() - shop.incidents
        assert repeats <= KILLS
        assert repeats > 0, "no kill hit a delivery in flight: the test proves nothing"
        assert "secret-of-the-hook" not in (tmp_path / "log").read_text()
        assert "Traceback" not in (tmp_path / "log").read_text()


def all_sent(store: Store, incidents: int) -> bool:
    with store.read() as connection:
        found = connection.execute(select(notifications.c.status)).scalars().all()
    return len(found) == incidents and set(found) == {"sent"}


def assert_one_row_each(store: Store, incidents: int) -> None:
    with store.read() as connection:
        opened = connection.execute(select(alerts.c.fingerprint)).scalars().all()
        sent = connection.execute(select(notifications.c.alert_id, notifications.c.event)).all()
    assert sorted(opened) == sorted(f"conversation_unreplied:{chats.PAGE}_c{n}" for n in range(incidents))
    assert {row.event for row in sent} == {"firing"}
    assert len({row.alert_id for row in sent}) == len(sent) == incidents
