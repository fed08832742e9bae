"""What the monitor and a sync cost beside a million conversations, and beside ten thousand.

A tick is the whole round of the monitor in which 200 customers become late: the look at the pages' freshness, the read
of what is due, the question to the outside for their newest messages (which answers at once: its time is not ours), the
judgement anew, and the commit of 200 alerts with a message each on two channels. The bars are for a store of a million;
the ratio says what they cost more there than in a store of ten thousand, tick by tick.
"""

import logging
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

from benchmarks import conversation_store as made
from benchmarks.figures import Figure
from benchmarks.peers.catalogue import Home
from benchmarks.peers.ground import Ground, prepared
from jobs.conversation_monitor import ConversationMonitor
from roundsman.alerts.book import AlertBook
from roundsman.clock import ManualClock, SystemClock
from roundsman.conversations.intake import Batch, Intake
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.source import Reread, StoreSource
from roundsman.monitor.page_roll import PagesSetUp
from roundsman.repositories.conversations import Conversation, MessageRecord, Person, WatchedConversation
from roundsman.repositories.engine import Store, StoreOptions, parse_url
from roundsman.repositories.schema import ensure_schema
from roundsman.repositories.versions import chunks
from roundsman.repositories.watch_list import WatchListRepository
from roundsman.scheduling.job import JobContext, StopToken

FEW, MANY = 10_000, 1_000_000
TICKS = made.MOMENTS
READS = 15
BATCHES, BATCH = 10, 500
SERIES = 5
CHANNELS = ("slack", "telegram")

_LOG = logging.LoggerAdapter(logging.getLogger("benchmark"), {})


class Outside:
    """Knows nothing newer."""

    def reread(self, conversations: Sequence[WatchedConversation], now: datetime, stop: StopToken) -> Reread:
        return Reread({each.conversation.conversation_id for each in conversations})


def measure() -> Iterator[Figure]:
    """On SQLite and on a PostgreSQL with its own defaults; without a server only on SQLite, with a word."""
    with prepared({Home.SQLITE, Home.POSTGRES}, Event()) as ground:
        for home, why in ground.missing.items():
            print(f"not measured on {home}: {why}")
        for home, name in ((Home.SQLITE, ""), (Home.POSTGRES, "postgres.")):
            if home not in ground.missing:
                yield from _measured(ground, home, name)


def _measured(ground: Ground, home: Home, name: str) -> Iterator[Figure]:
    durability = ground.durability(home)
    with _store(ground, home, FEW) as few, _store(ground, home, MANY) as many:
        reads = [_due_read(many) for _ in range(READS)]
        yield Figure(f"conversations.{name}due_read.1m.ms", "ms", durability, reads)
        # In turns, so that whatever else the machine does concerns both; the first fills the caches
        pairs = [(_tick(few, number), _tick(many, number)) for number in range(TICKS)][1:]
        yield Figure(f"conversations.{name}tick_200_alerts.1m.ms", "ms", durability, [more for _, more in pairs])
        ratios = [more / less for less, more in pairs]
        yield Figure(f"conversations.{name}tick_ratio.1m_to_10k", "x", durability, ratios)
        speeds = [_ingest(many, number) for number in range(SERIES + 1)][1:]
        yield Figure(f"conversations.{name}ingest.per_s", "1/s", durability, speeds)


@contextmanager
def _store(ground: Ground, home: Home, count: int) -> Iterator[Store]:
    with ground.store(home) as place:
        url = parse_url(f"sqlite:///{place}" if home is Home.SQLITE else place)
        with closing(Store(StoreOptions(url))) as store:
            ensure_schema(store, backups=Path("/nonexistent"), clock=SystemClock())
            made.fill(store, count)
            yield store


def _due_read(store: Store) -> float:
    begun = time.perf_counter()
    with store.read() as connection:
        rows = WatchListRepository().due(connection, made.moment(0))
    taken = time.perf_counter() - begun
    if len(rows) != made.DUE:
        raise AssertionError(f"{len(rows)} conversations were due instead of {made.DUE}")
    return taken * 1000


def _tick(store: Store, number: int) -> float:
    now = made.moment(number) + timedelta(seconds=1)
    made.sync(store, now - timedelta(seconds=30))
    clock = ManualClock(now)
    book = AlertBook(store, clock, CHANNELS, lambda: None)
    monitor = ConversationMonitor(store, book, made.BOOK, StoreSource(Outside()), PagesSetUp(lambda: None))
    begun = time.perf_counter()
    outcome = monitor.run(JobContext(clock, _LOG, StopToken(), now))
    taken = time.perf_counter() - begun
    if outcome.counters["opened"] != made.DUE:
        raise AssertionError(f"{outcome.counters} instead of {made.DUE} alerts")
    return taken * 1000


def _ingest(store: Store, number: int) -> float:
    """Conversations a second, each with a new tag and one new message or two."""
    intake = Intake(store, WatchKeeper(made.BOOK))
    rng = random.Random(number)
    now = made.moment(TICKS) + timedelta(seconds=number)
    batches = [_batch(rng, chunk, now) for chunk in chunks(rng.sample(range(MANY), BATCHES * BATCH), BATCH)]
    begun = time.perf_counter()
    for batch in batches:
        taken = intake.take(batch, now)
        if taken.conversations.changed != BATCH or taken.messages.new != len(batch.messages):
            raise AssertionError(f"{taken.conversations.changed} conversations changed instead of {BATCH}")
    return BATCH * BATCHES / (time.perf_counter() - begun)


def _batch(rng: random.Random, numbers: Sequence[int], now: datetime) -> Batch:
    messages = [each for number in numbers for each in _messages(rng, number, now)]
    return Batch(conversations=[_changed(number, now) for number in numbers], messages=messages)


def _changed(number: int, now: datetime) -> Conversation:
    return Conversation(
        made.conversation_id(number), made.page_id(number), "INBOX", f"Nguyễn An {number}", made.customer_id(number),
        ("VIP", "đã gọi"), (Person("u-1", "Lan"), Person("u-2", "Minh")), (), now,
    )  # fmt: skip


def _messages(rng: random.Random, number: int, now: datetime) -> Iterator[MessageRecord]:
    """A question, an answer, or a question that is answered at once."""
    for is_staff in rng.choice([(False,), (True,), (False, True)]):
        who = ("u-1", "Lan") if is_staff else (made.customer_id(number), f"Nguyễn An {number}")
        at = now - timedelta(seconds=60 - 20 * is_staff)
        message_id = f"m_{rng.getrandbits(64):016x}"
        yield MessageRecord(
            message_id, made.conversation_id(number), at, *who, False, is_staff, False, False, False, at
        )
