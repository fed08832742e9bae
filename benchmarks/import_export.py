"""How fast a large export goes into an empty store, from the file to the commit, and how long others wait for it."""

import json
import random
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL

from benchmarks.figures import SQLITE_FULL, Figure
from roundsman.clock import SystemClock
from roundsman.conversations.importer import Importer
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.policies.book import PolicyBook
from roundsman.repositories.engine import Store, StoreOptions
from roundsman.repositories.schema import ensure_schema
from roundsman.repositories.watch_list import AnsweringClock

MESSAGES = 60_000
MESSAGES_OF_A_CONVERSATION = 20
RUNS = 5
PAGE = "1083412906251"
_POLICIES = PolicyBook.of_settings(AnsweringClock.HUMAN, timedelta(minutes=15), comments=False)


def measure() -> list[Figure]:
    """Each run begins with an empty store."""
    speeds, locks = [], []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "export.json"
        with file.open("w", encoding="utf-8") as export:
            export.writelines(_lines())
        for number in range(RUNS):
            took_s, locked_s = _import(file, Path(folder) / f"{number}.db")
            speeds.append(MESSAGES / took_s)
            locks.append(locked_s)
    return [
        Figure("conversations.import.messages_per_s", "1/s", SQLITE_FULL, speeds),
        Figure("conversations.import.write_lock_s", "s", SQLITE_FULL, locks),
    ]


def _import(file: Path, database: Path) -> tuple[float, float]:
    """Seconds of the whole import, and of its last transaction, the one that holds the write lock."""
    clock = SystemClock()
    store = Store(StoreOptions(URL.create("sqlite", database=str(database))))
    ensure_schema(store, backups=database.parent, clock=clock)
    begun_at = 0.0

    def note(_connection: Connection) -> None:
        nonlocal begun_at
        begun_at = time.perf_counter()

    event.listen(store.engine, "begin", note)
    started_at = time.perf_counter()
    Importer(
        store, clock, WatchKeeper(PolicyBook.of_settings(AnsweringClock.HUMAN, timedelta(minutes=15), comments=False))
    ).import_file(str(file))
    ended_at = time.perf_counter()
    store.close()
    return ended_at - started_at, ended_at - begun_at


def _lines() -> Iterator[str]:
    """An export as JSON lines: 750 bytes a message, in no order, as real ones are."""
    rng = random.Random(20260303)
    now = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
    conversations = MESSAGES // MESSAGES_OF_A_CONVERSATION
    for number in range(conversations):
        conversation_id = f"{PAGE}_{7_000_000 + number}"
        inner = {"id": conversation_id, "type": "INBOX", "tags": [], "from": {"id": f"{number}", "name": "Nguyễn An"}}
        yield _line({"pageId": PAGE, "conversationId": conversation_id, "panCakeData": inner})
    for _ in range(MESSAGES):
        customer = 7_000_000 + rng.randrange(conversations)
        yield _line(_message(f"m_{rng.getrandbits(64):016x}", customer, now - timedelta(minutes=rng.random() * 40_000)))


def _message(message_id: str, customer: int, sent_at: datetime) -> dict[str, object]:
    author: dict[str, object] = {"id": str(customer), "name": "Nguyễn An", "email": f"{customer}@facebook.com"}
    if sent_at.second % 2:
        author = {"id": PAGE, "name": "Tiệm Hoa", "uid": "u-1", "admin_id": "1", "admin_name": "Lan Anh"}
    milliseconds = round(sent_at.timestamp() * 1000)
    return {
        "_id": {"$oid": f"{milliseconds:024x}"},
        "conversationId": f"{PAGE}_{customer}",
        "messageId": message_id,
        "messageData": {
            "id": message_id,
            "conversation_id": f"{PAGE}_{customer}",
            "page_id": PAGE,
            "type": "INBOX",
            "message": "<div>Dạ còn hàng ạ, mình cần mẫu nào để em kiểm tra?</div>",
            "original_message": "Dạ còn hàng ạ, mình cần mẫu nào để em kiểm tra?",
            "inserted_at": sent_at.replace(tzinfo=None).isoformat(),
            "from": author,
            "attachments": [],
            "has_phone": False,
            "phone_info": [],
            "is_hidden": False,
            "is_removed": False,
        },
        "insertedAt": milliseconds,
        "createdAt": milliseconds,
        "updatedAt": milliseconds,
    }


def _line(document: dict[str, object]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
