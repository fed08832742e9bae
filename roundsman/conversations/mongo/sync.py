"""Keeps the watch list true to a MongoDB: whatever changed there is derived anew, batch by batch.

A batch is read first and written then, in one transaction with the mark up to which everything was read: killed at any
moment, the next round goes on there. What was read may be older than what the monitor has read and written in between.
That lasts one round: the change that makes the difference is still to come.
"""

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from roundsman.clock import Clock, iso, short_duration
from roundsman.conversations.folkform import Collection as Kind
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.mongo.changes import Change
from roundsman.conversations.mongo.checkpoint import Checkpoint, Sweep
from roundsman.conversations.mongo.database import MongoDatabase
from roundsman.conversations.mongo.held import HeldReader
from roundsman.conversations.mongo.memory import Memory
from roundsman.conversations.mongo.page_rows import PageRows
from roundsman.conversations.mongo.reader import MongoReader
from roundsman.conversations.mongo.signs import Trust, fresh_until
from roundsman.conversations.mongo.stream import ChangeStream
from roundsman.errors import SourceError
from roundsman.repositories.engine import Store
from roundsman.repositories.set_aside import SetAside, SetAsideRepository
from roundsman.repositories.source_lock import lock_source
from roundsman.scheduling.job import StopToken

MOST_CHANGES = 5_000
"""Of one collection, read at a time: they are small, and many may be of the same conversation."""
MOST_CONVERSATIONS = 500
"""Derived in one transaction."""
QUIET = timedelta(minutes=10)
"""FolkForm is said to be silent when it has shown no sign of life for so long."""
_BACK = timedelta(minutes=1)
"""By so much a clock is set right without anybody's noticing; the overlap of sweeps makes up for it."""

log = logging.getLogger(__name__)


class MongoSync:
    """A LiveSync. One at a time for each store; the job that calls it sees to that."""

    name = "mongo"

    def __init__(
        self, store: Store, keeper: WatchKeeper, database: MongoDatabase, clock: Clock, trust: Trust = Trust.AUTO
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._database = database
        self._clock = clock
        self._trust = trust
        self._rows = PageRows(keeper)
        self._set_aside = SetAsideRepository()
        self._memories = (Memory(), Memory())
        self._was_silent = False
        self._latest: datetime | None = None
        """The latest moment that our clock has shown at the begin of a round."""

    def run_once(self, stop: StopToken) -> dict[str, int]:
        """Read everything that is new; returns counters for the ledger.

        Raises SourceError, which is noted for every page as well, StoreError, and StoppedError between two batches.
        """
        try:
            return dict(self._round(stop))
        except SourceError as error:
            with self._store.write() as connection:
                self._rows.failed(connection, str(error), self._clock.now())
            raise

    def _round(self, stop: StopToken) -> Counter[str]:
        now = self._clock.now()
        self._mind_the_clock(now)
        self._database.check(now)
        fresh_at = self._fresh_at(now)
        reader = self._database.reader()
        pages = reader.pages()
        with self._store.write() as connection:
            stored = self._rows.look_over(connection, pages, now)
        checkpoint = self._known(stored, now)
        counters: Counter[str] = Counter(pages=len(pages), changes=0, derived=0, set_aside=0)
        checkpoint = self._walk(reader, checkpoint, counters, stop)
        if (
            checkpoint.is_sweeping
        ):  # one that was cut off; only the next one is sure to have seen all that was there before
            checkpoint = self._sweep(reader, checkpoint, counters, stop).next_sweep(_milliseconds(now))
        checkpoint = replace(checkpoint, begun_ms=_milliseconds(now))
        checkpoint = self._sweep(reader, checkpoint, counters, stop).next_sweep(_milliseconds(now))
        with self._store.write() as connection:
            self._rows.advance(connection, checkpoint, fresh_at)
        return counters

    def _mind_the_clock(self, now: datetime) -> None:
        """After it was set back, whatever happens now seems to have been known for long: remember nothing of that."""
        if self._latest is not None and now < self._latest - _BACK:
            log.warning("The clock was set back by %s: changes are noticed anew", short_duration(self._latest - now))
            self._memories = (Memory(), Memory())
            self._latest = now
        self._latest = max(now, self._latest or now)

    def _fresh_at(self, now: datetime) -> datetime:
        """What everything that is read now is worth: asked before anything is read."""
        fresh_at = fresh_until(self._database, self._trust, now)
        is_silent = now - fresh_at > QUIET
        if is_silent and not self._was_silent:
            log.warning(
                "%s is filled no more: FolkForm has shown no sign of life since %s", self._database.name, iso(fresh_at)
            )
        self._was_silent = is_silent
        return fresh_at

    def _known(self, stored: dict[str, Any] | None, now: datetime) -> Checkpoint:
        names = self._database.layout.names
        source = f"{self._database.connection.database}: {names.conversations}, {names.messages}"
        if stored is not None and stored["source"] == source:
            return Checkpoint.from_json(stored).not_ahead_of(_milliseconds(now))
        return Checkpoint.first(source, _milliseconds(now), [feed.newest(now) for feed in self._database.feeds()])

    # --- everything, once ---

    def _walk(self, reader: MongoReader, checkpoint: Checkpoint, counters: Counter[str], stop: StopToken) -> Checkpoint:
        while checkpoint.walk is not None:
            stop.check()
            now = self._clock.now()
            ids = reader.ids_after(checkpoint.walk, MOST_CONVERSATIONS)
            checkpoint = replace(checkpoint, walk=ids[-1] if ids else None)
            self._derive(reader, ids, checkpoint, counters)
            for memory in self._memories:
                memory.derived((), ids, _milliseconds(now))
        return checkpoint

    # --- what has changed ---

    def _sweep(
        self, reader: MongoReader, checkpoint: Checkpoint, counters: Counter[str], stop: StopToken
    ) -> Checkpoint:
        streams = [
            ChangeStream(feed, memory, sweep.at, MOST_CHANGES)
            for feed, memory, sweep in zip(self._database.feeds(), self._memories, checkpoint.sweeps, strict=True)
        ]
        while True:
            stop.check()
            now = self._clock.now()
            has_more = [each.look_ahead(now) for each in streams]
            if not any(has_more):
                return checkpoint
            ids: set[str | None] = set()
            shares = (MOST_CONVERSATIONS // 2, MOST_CONVERSATIONS)
            news = [stream.take(ids, most) for stream, most in zip(streams, shares, strict=True)]
            conversations, messages = (
                Sweep(sweep.start, stream.next_mark) for sweep, stream in zip(checkpoint.sweeps, streams, strict=True)
            )
            checkpoint = replace(checkpoint, sweeps=(conversations, messages))
            counters["changes"] += sum(map(len, news))
            names = sorted(each for each in ids if each is not None)
            if ids:
                self._derive(reader, names, checkpoint, counters, _nameless(*news))
            for stream in streams:
                stream.derived(names, _milliseconds(now))

    # --- one batch ---

    def _derive(
        self,
        reader: MongoReader,
        conversation_ids: Sequence[str],
        checkpoint: Checkpoint,
        counters: Counter[str],
        nameless: Sequence[SetAside] = (),
    ) -> None:
        held = HeldReader.of(reader, conversation_ids)
        broken = [*reader.set_aside, *nameless]
        reader.set_aside.clear()
        now = self._clock.now()
        with self._store.write() as connection:
            lock_source(connection)
            self._keeper.refresh(connection, held, held.held.keys(), now)
            self._keep_set_aside(connection, held, broken, now)
            self._rows.meet(each.conversation.page_id for each in held.held.values())
            self._rows.advance(connection, checkpoint, None)
        counters["derived"] += len(held.held)
        counters["set_aside"] += len(broken)

    def _keep_set_aside(
        self, connection: Connection, held: HeldReader, broken: Sequence[SetAside], now: datetime
    ) -> None:
        good: dict[str, Collection[str]] = {
            Kind.PAGES.value: held.held_pages.keys(),
            Kind.CONVERSATIONS.value: held.held.keys(),
            Kind.MESSAGES.value: [each.message_id for thread in held.held_threads.values() for each in thread],
        }
        self._set_aside.put(connection, broken, now)
        for kind, document_ids in good.items():
            still = {each.document_id for each in broken if each.collection == kind}
            self._set_aside.forget(connection, kind, set(document_ids) - still)


def _nameless(conversations: Sequence[Change], messages: Sequence[Change]) -> list[SetAside]:
    """Documents that bear no conversation's id."""
    return [
        SetAside(
            kind.value,
            each.document,
            "conversationId",
            f"{kind} {each.document}: conversationId is missing or no text; the document was set aside.",
        )
        for kind, changes in ((Kind.CONVERSATIONS, conversations), (Kind.MESSAGES, messages))
        for each in changes
        if each.conversation_id is None
    ]


def _milliseconds(moment: datetime) -> float:
    return moment.timestamp() * 1000
