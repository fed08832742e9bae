"""How fast news of a MongoDB with 100,000 conversations reach the watch list, and what a round without news costs.

The server is the one of the tests' wheel (`make test` installs it); without it these figures are left out.
"""

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from benchmarks.figures import SQLITE_FULL, Figure
from roundsman.clock import SystemClock
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.mongo.changes import Mark
from roundsman.conversations.mongo.database import MongoDatabase
from roundsman.conversations.mongo.indexes import CHANGES, OUR_NAME
from roundsman.conversations.mongo.sync import MOST_CHANGES, MongoSync
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Policy
from roundsman.repositories.engine import Store, StoreOptions
from roundsman.repositories.schema import ensure_schema
from roundsman.scheduling.job import StopToken

CONVERSATIONS = 100_000
MESSAGES_OF_A_CONVERSATION = 6
CHANGED = 10_000
RUNS = 3
PAGE = "1083412906251"
DURABILITY = f"{SQLITE_FULL}; mongod 6.0 on this machine, read concern majority"


def measure() -> list[Figure]:
    """One server, filled once; each run changes other conversations."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from mongo_server import start_mongo, stop_mongo
    from servers import ServerMissingError

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            place = start_mongo(folder)
        except ServerMissingError as error:
            print(f"MongoDB is left out: {error}", file=sys.stderr)
            return []
        try:
            with place.client() as client:
                return _measure(client.get_database("bench"), place.url("bench"), folder)
        finally:
            stop_mongo(folder)


def _measure(written: Any, url: str, folder: Path) -> list[Figure]:
    clock = SystemClock()
    _fill(written, clock.now())
    store = Store(StoreOptions(URL.create("sqlite", database=str(folder / "roundsman.db"))))
    ensure_schema(store, backups=folder, clock=clock)
    quarter = timedelta(minutes=15)
    keeper = WatchKeeper(PolicyBook(Policy("bench", quarter, quarter)))
    with closing(MongoDatabase(url, "bench")) as database:
        sync = MongoSync(store, keeper, database, clock)
        first_s = _timed(sync)
        asks, changes, quiet = [], [], []
        for run in range(RUNS):
            _change(written, clock.now(), run)
            changes.append(CHANGED / _timed(sync))
            _timed(sync)  # what was written within the last two seconds is derived once more
            quiet.append(_timed(sync) * 1000)
            asks.append(_changes_per_s(database, clock.now()))
    store.close()
    return [
        Figure("conversations.mongo.first_walk.per_s", "1/s", DURABILITY, [CONVERSATIONS / first_s]),
        Figure("conversations.mongo.changed_and_derived.per_s", "1/s", DURABILITY, changes),
        Figure("conversations.mongo.changed.per_s", "1/s", "mongod 6.0 on this machine", asks),
        Figure("conversations.mongo.quiet_round.ms", "ms", DURABILITY, quiet),
    ]


def _timed(sync: MongoSync) -> float:
    started_at = time.perf_counter()
    sync.run_once(StopToken())
    return time.perf_counter() - started_at


def _changes_per_s(database: MongoDatabase, now: datetime) -> float:
    """Walk along all changes of messages."""
    feed = database.feeds()[1]
    since, count, started_at = Mark(0), 0, time.perf_counter()
    while batch := feed.changed(since, now, MOST_CHANGES):
        count += len(batch)
        since = batch[-1].mark
    return count / (time.perf_counter() - started_at)


def _fill(database: Any, now: datetime) -> None:
    rng = random.Random(20260303)
    database["fb_pages"].insert_one({"pageId": PAGE, "pageName": "Tiệm Hoa", "isSync": True})
    for name, documents in (("fb_conversations", _conversations(now)), ("fb_message_items", _messages(rng, now))):
        database[name].create_index([("conversationId", 1)])
        batch: list[dict[str, Any]] = []
        for document in documents:
            batch.append(document)
            if len(batch) == 5_000:
                database[name].insert_many(batch, ordered=False)
                batch = []
        if batch:
            database[name].insert_many(batch, ordered=False)
        database[name].create_index(list(CHANGES), name=OUR_NAME)


def _conversations(now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(CONVERSATIONS):
        name = f"{PAGE}_{7_000_000 + number}"
        inner = {
            "id": name, "type": "INBOX", "tags": [{"text": "NV9"}, None], "page_id": PAGE, "snippet": "x" * 200,
            "from": {"id": str(number), "name": "Nguyễn An"}, "recent_phone_numbers": [], "ads": [],
        }  # fmt: skip
        at = _milliseconds(now - timedelta(days=2, seconds=number / 10))
        yield {"pageId": PAGE, "conversationId": name, "panCakeData": inner, "updatedAt": at}


def _messages(rng: random.Random, now: datetime) -> Iterator[dict[str, Any]]:
    """Of every conversation; one in twenty waits for an answer."""
    for number in range(CONVERSATIONS):
        for place in range(MESSAGES_OF_A_CONVERSATION):
            is_last = place == MESSAGES_OF_A_CONVERSATION - 1
            is_staff = place % 2 == 1 and not (is_last and number % 20 == 0)
            sent_at = now - timedelta(days=2, seconds=number / 10) + timedelta(minutes=place)
            yield _message(number, f"m{rng.getrandbits(64):016x}", sent_at, is_staff=is_staff)


def _message(number: int, name: str, sent_at: datetime, *, is_staff: bool, written_at: datetime | None = None) -> Any:
    author: dict[str, Any] = {"id": str(number), "name": "Nguyễn An", "email": f"{number}@facebook.com"}
    if is_staff:
        author = {"id": PAGE, "name": "Tiệm Hoa", "uid": "u-1", "admin_id": "1", "admin_name": "Lan Anh"}
    text = "<div>Dạ còn hàng ạ, mình cần mẫu nào để em kiểm tra?</div>"
    return {
        "conversationId": f"{PAGE}_{7_000_000 + number}",
        "messageId": name,
        "messageData": {
            "id": name, "page_id": PAGE, "type": "INBOX", "message": text, "original_message": text,
            "inserted_at": sent_at.replace(tzinfo=None).isoformat(), "from": author, "attachments": [],
            "is_hidden": False, "is_removed": False,
        },
        "insertedAt": _milliseconds(sent_at),
        "updatedAt": _milliseconds(written_at or sent_at),
    }  # fmt: skip


def _change(database: Any, now: datetime, run: int) -> None:
    """A customer writes in each of so many conversations."""
    numbers = range(run * CHANGED, (run + 1) * CHANGED)
    news = [_message(each, f"n{each}", now, is_staff=False, written_at=now) for each in numbers]
    database["fb_message_items"].insert_many(news, ordered=False)


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
