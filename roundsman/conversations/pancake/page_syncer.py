"""Brings one page's news into the store, a bounded piece at a time, each with the point from which to go on.

The watermark of a page is the moment before the first request of a complete round, by our own clock: whatever Pancake
knew then is here. Its clock may be ahead of ours or behind by SKEW, and its lists may lag by the overlap, so a round
begins that much before the watermark. What was read of that already and has not changed since is not asked for again.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from math import ceil

from sqlalchemy import Connection

from roundsman.clock import Clock
from roundsman.conversations.document import BrokenFieldError, id_or_none, moment_of
from roundsman.conversations.intake import Intake
from roundsman.conversations.pancake.batch_reader import CONVERSATIONS, BatchReader, PageErrand, Reading
from roundsman.conversations.pancake.checkpoint import Checkpoint, Round
from roundsman.conversations.pancake.client import Object, PancakeClient, Window
from roundsman.conversations.pancake.errand import Errand
from roundsman.conversations.pancake.listing import changed_within
from roundsman.conversations.pancake.threads import MESSAGES
from roundsman.conversations.pancake.token import PageAccess
from roundsman.repositories.conversations import ConversationRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.page_syncs import PageSyncRepository
from roundsman.repositories.resyncs import ResyncRepository
from roundsman.repositories.set_aside import SetAsideRepository
from roundsman.repositories.versions import chunks

SOURCE = "pancake"
SKEW = timedelta(minutes=10)
"""How far Pancake's clock may be from ours."""
SLICE = timedelta(hours=1)
"""What is listed at once: hundreds of conversations of a busy page, listed anew after an interruption."""
BATCH = 20
"""Conversations a transaction: at five requests a second, what a crash costs is a few seconds."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SyncOptions:
    """How far back is read."""

    first: timedelta = timedelta(days=7)
    """Of a page that was never synced."""
    overlap: timedelta = timedelta(minutes=5)
    """How far Pancake's lists may lag behind what it knows."""


class Stand(Enum):
    """How far a piece of work went."""

    COMPLETE = auto()
    MORE = auto()
    """There is more to do; it goes on from the checkpoint."""


@dataclass
class SyncCounts:
    """What came in."""

    conversations: int = 0
    """That were read."""
    messages: int = 0
    """New or changed."""


@dataclass
class _Work:
    """One go at a page."""

    task: PageErrand
    counts: SyncCounts
    until: float
    """A moment of the clock's monotonic seconds."""
    checkpoint: Checkpoint
    round: Round


class PageSyncer:
    """Safe to use from many threads, for different pages."""

    def __init__(self, client: PancakeClient, store: Store, intake: Intake, clock: Clock, options: SyncOptions) -> None:
        self._client = client
        self._store = store
        self._intake = intake
        self._clock = clock
        self._options = options
        self._reader = BatchReader(client, store, clock)
        self._syncs = PageSyncRepository()
        self._resyncs = ResyncRepository()
        self._conversations = ConversationRepository()
        self._set_aside = SetAsideRepository()

    def advance(self, page: PageAccess, errand: Errand, counts: SyncCounts, seconds: float) -> Stand:
        """Go on with a page, for about so many seconds.

        Raises PancakeError (what is stored stays, and is gone on from), StoppedError, StoreError.
        """
        until = self._clock.monotonic() + seconds
        checkpoint, current = self._begin(page, self._clock.now())
        work = _Work(PageErrand(page, errand), counts, until, checkpoint, current)
        self._read_again(work)
        while self._clock.monotonic() < until:
            horizon = self._clock.now() + SKEW
            end = min(current.place + SLICE, horizon)
            if self._read_slice(work, end) is Stand.MORE:
                return Stand.MORE
            if end == horizon:
                self._complete(work)
                return Stand.COMPLETE
            current.place = end
            current.done.clear()
            checkpoint.forget_before(self._since(current.started))
        self._save(work)
        return Stand.MORE

    def _begin(self, page: PageAccess, now: datetime) -> tuple[Checkpoint, Round]:
        """Where a round that was cut off goes on, or where the next one begins."""
        with self._store.read() as connection:
            state = self._syncs.find(connection, page.page_id)
        fresh_at = state.fresh_at if state else None
        checkpoint = Checkpoint.of_json(state.checkpoint if state else None)
        begun = checkpoint.round.started if checkpoint.round else now
        if max(fresh_at or now, begun) > now + SKEW:
            # Our own clock was ahead when that was written, so it says more than we know.
            log.warning("The sync of page %s begins anew: its watermark lies in the future", page.page_id)
            with self._store.write() as connection:
                self._syncs.start_anew(connection, page.page_id)
            checkpoint, fresh_at = Checkpoint(), None
        if checkpoint.round is None:
            known_until = fresh_at or checkpoint.known_until
            since = now - self._options.first if known_until is None else self._since(min(known_until, now))
            checkpoint.known_until = None
            checkpoint.round = Round(now, since, since)
        return checkpoint, checkpoint.round

    def _since(self, fresh_at: datetime) -> datetime:
        """From when on a change may be unknown, by Pancake's clock."""
        return fresh_at - SKEW - self._options.overlap

    def _read_again(self, work: _Work) -> None:
        """What was asked for goes first."""
        with self._store.read() as connection:
            asked = self._resyncs.next_of(connection, work.task.page.page_id, BATCH)
            known = self._conversations.watched(connection, [each.conversation_id for each in asked])
        if not asked:
            return
        reading = Reading()
        for each in known.values():
            self._reader.read_messages(each.conversation, work.task, None, reading)
        failed = {each.conversation_id: each for each in reading.later}

        def progress(connection: Connection) -> None:
            self._resyncs.done(connection, [name for each in asked if (name := each.conversation_id) not in failed])
            for each in failed.values():
                self._resyncs.postpone(connection, each.conversation_id, each.asked_at, each.reason)
            self._keep_set_aside(connection, reading)

        self._count(work, reading, self._intake.take(reading.batch(), self._clock.now(), progress).messages.written)

    def _read_slice(self, work: _Work, end: datetime) -> Stand:
        """All that changed between the round's place and `end`, and is not done."""
        page, errand = work.task.page, work.task.errand
        window = Window(int(work.round.place.timestamp()), ceil(end.timestamp()))
        listed = changed_within(window, lambda each, after: self._client.conversations(page, each, errand, after))
        to_do = [each for each in listed if not work.checkpoint.is_done(*_version(each))]
        for batch in chunks(sorted(to_do, key=_by_time), BATCH):
            errand.stop.check()
            self._take(work, self._reader.read(batch, work.task, work.round.since), batch)
            if self._clock.monotonic() >= work.until:
                return Stand.MORE
        return Stand.COMPLETE

    def _take(self, work: _Work, reading: Reading, listed: Sequence[Object]) -> None:
        """Store a batch with the point behind it."""
        now = self._clock.now()
        for each in listed:
            name, updated_at = _version(each)
            if name in reading.begun and updated_at is not None:
                work.checkpoint.note(name, updated_at, reading.begun[name])

        def progress(connection: Connection) -> None:
            self._resyncs.ask(connection, reading.later)
            self._keep_set_aside(connection, reading)
            self._put(connection, work, None)

        work.task.errand.stop.check()  # a run that was given up must not write any more
        self._count(work, reading, self._intake.take(reading.batch(), now, progress).messages.written)

    def _complete(self, work: _Work) -> None:
        work.checkpoint.round = None
        work.checkpoint.forget_before(self._since(work.round.started))
        work.task.errand.stop.check()
        with self._store.write() as connection:
            self._put(connection, work, work.round.started)

    def _save(self, work: _Work) -> None:
        work.task.errand.stop.check()
        with self._store.write() as connection:
            self._put(connection, work, None)

    def _put(self, connection: Connection, work: _Work, fresh_at: datetime | None) -> None:
        page_id = work.task.page.page_id
        self._syncs.advance(connection, page_id, SOURCE, fresh_at=fresh_at, checkpoint=work.checkpoint.as_json())

    def _keep_set_aside(self, connection: Connection, reading: Reading) -> None:
        self._set_aside.put(connection, reading.set_aside, self._clock.now())
        self._set_aside.forget(connection, CONVERSATIONS, reading.begun.keys())
        self._set_aside.forget(connection, MESSAGES, reading.messages.keys())

    def _count(self, work: _Work, reading: Reading, written: set[str]) -> None:
        work.counts.conversations += len(reading.begun)
        work.counts.messages += len(written)


def _version(listed: Object) -> tuple[str, datetime | None]:
    """The id of a listed conversation, and when it last changed."""
    try:
        return id_or_none(listed, "id") or "", moment_of(listed, "updated_at")
    except BrokenFieldError:
        return id_or_none(listed, "id") or "", None


def _by_time(listed: Object) -> tuple[str, str]:
    name, updated_at = _version(listed)
    return (updated_at.isoformat() if updated_at else "", name)
