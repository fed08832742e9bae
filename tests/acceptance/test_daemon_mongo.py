"""The whole daemon with a MongoDB as the source of conversations, in trouble: killed, out of disk, unanswered."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from chats import conversation, export, message, milliseconds, page, staff
from daemon_process import PRODUCT, DaemonProcess, Place, until
from mongo_server import MongoPlace
from small_disk import fill, small_disk

from roundsman.repositories.tables import alerts

pytestmark = [pytest.mark.mongo, pytest.mark.slow, pytest.mark.xdist_group("daemon-mongo")]

OFTEN = {
    "CONVERSATION_THRESHOLD_MINUTES": "1",
    "JOB_MONGO_SYNC_SCHEDULE": "every 300ms",
    "JOB_CONVERSATION_MONITOR_SCHEDULE": "every 500ms",
    "WATCHDOG_USEC": "1500000",
}


class Shop:
    """FolkForm writes at this very moment; a daemon reads that and tells of it."""

    def __init__(self, place: Place, mongo: MongoPlace) -> None:
        self.place, self.mongo = place, mongo
        self.customers: list[str] = []
        mongo.fill(export(pages=[page()]))

    def ask(self, count: int) -> None:
        """So many new customers who have waited for two minutes."""
        asked_at = datetime.now(UTC) - timedelta(minutes=2)
        for _ in range(count):
            name = str(len(self.customers))
            self.customers.append(f"100_{name}")
            self._write("fb_conversations", conversation(name))
            self._write("fb_message_items", message(f"ask-{name}", asked_at, name=name))

    def answer(self, conversation_id: str) -> None:
        name = conversation_id.partition("_")[2]
        self._write("fb_message_items", message(f"answer-{name}", datetime.now(UTC), staff(), name=name))

    def told(self) -> Counter[tuple[str, str]]:
        """Alerts by conversation and status."""
        with self.place.store() as store, store.read() as connection:
            rows = connection.execute(alerts.select().where(alerts.c.kind == "conversation_unreplied")).all()
        return Counter((row.fingerprint.partition(":")[2], row.status) for row in rows)

    def all_told(self) -> bool:
        return {name for name, _ in self.told()} == set(self.customers)

    def simulated(self) -> dict[str, Any]:
        done = self.place.command("conversations", "simulate", "--since", "1h", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _write(self, name: str, document: dict[str, Any]) -> None:
        written = {**document, "updatedAt": milliseconds(datetime.now(UTC))}
        self.mongo.database[name].insert_one(written)


@pytest.fixture
def shop(tmp_path: Path, own_mongo: MongoPlace) -> Shop:
    place = Place(tmp_path, program=PRODUCT, settings={**OFTEN, "MONGO_URL": own_mongo.url})
    return Shop(place, own_mongo)


def feedings(daemon: DaemonProcess) -> int:
    return daemon.notifications.count("WATCHDOG=1")


def test_killed_again_and_again_it_tells_of_everybody_once(shop: Shop) -> None:
    for life in range(6):
        with shop.place.start().ready() as daemon:
            shop.ask(20)
            known = sum(shop.told().values())
            until(lambda before=known: sum(shop.told().values()) > before, "somebody is told")  # type: ignore[misc]
            for name in shop.customers[life * 20 : life * 20 + 3]:
                shop.answer(name)
            daemon.kill()
    with shop.place.start().ready() as daemon:
        # who was answered before anybody was told is told of no more
        until(lambda: {"100_119"} <= {name for name, _ in shop.told()}, "the last is told")
        answered = {name for number, name in enumerate(shop.customers) if number % 20 < 3}
        until(lambda: {name for name, status in shop.told() if status == "firing"}.isdisjoint(answered), "the ends")
        waiting = set(shop.customers) - answered
        until(lambda: waiting <= {name for name, _ in shop.told()}, "everybody is told")
        assert daemon.stop() == 0
    told = shop.told()
    assert set(told.values()) == {1}
    assert len({name for name, _ in told}) == len(told)
    found = shop.simulated()
    assert found["difference"] == {"only_real": [], "only_simulated": []}
    assert len(found["really_told"]) == len(told)


def test_a_full_disk_loses_nobody_and_tells_nobody_twice(tmp_path: Path, own_mongo: MongoPlace) -> None:
    with small_disk(tmp_path / "disk") as disk:
        place = Place(disk, program=PRODUCT, settings={**OFTEN, "MONGO_URL": own_mongo.url}, elsewhere=tmp_path)
        shop = Shop(place, own_mongo)
        with place.start().ready() as daemon:
            shop.ask(5)
            until(shop.all_told, "five are told")
            filler = fill(disk)
            shop.ask(15)  # fewer than become a digest
            daemon.logged(f"The disk that holds {place.file} is full; free some space.")
            daemon.logged("No progress, so the watchdog is not fed: ")
            filler.unlink()
            until(shop.all_told, "all are told")
            assert daemon.stop() == 0
            assert "Traceback" not in daemon.log()
        assert shop.told() == {(name, "firing"): 1 for name in shop.customers}


@contextmanager
def standing_still(mongo: MongoPlace) -> Iterator[None]:
    """The server answers nobody (SIGSTOP)."""
    pid = int((mongo.server.folder / "mongo.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_mongod_that_stands_still_holds_up_nothing_else(tmp_path: Path, own_mongo: MongoPlace) -> None:
    url = f"{own_mongo.url}&timeoutMS=3000&serverSelectionTimeoutMS=3000"
    settings = {**OFTEN, "MONGO_URL": url, "JOB_JOB_WATCH_SCHEDULE": "every 300ms"}
    shop = Shop(Place(tmp_path, program=PRODUCT, settings=settings), own_mongo)
    with shop.place.start().ready() as daemon:
        shop.ask(5)
        until(shop.all_told, "five are told")
        shop.ask(5)
        with standing_still(own_mongo):
            daemon.logged("has not answered in time")
            fed = feedings(daemon)
            began = time.monotonic()
            shop.place.runs("job_watch", 10)
            assert time.monotonic() - began < 15  # three seconds, on a machine with nothing else to do
            until(lambda: feedings(daemon) > fed + 2, "signs of life")
            assert "is locked by another program" not in daemon.log()
        until(shop.all_told, "all are told")
        assert daemon.stop() == 0
        assert "Traceback" not in daemon.log()
    assert shop.told() == {(name, "firing"): 1 for name in shop.customers}
