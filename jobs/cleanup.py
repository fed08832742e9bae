"""Keeps the store small: removes old rows of ledger, alerts, silences, inbox, runs, queue and of who waited."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import ClassVar

from sqlalchemy import Connection

from roundsman.errors import QueueError
from roundsman.queues.base import Queue
from roundsman.repositories.alerts import AlertRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.held_looks import HeldLookRepository
from roundsman.repositories.inbox import InboxRepository
from roundsman.repositories.observations import ObservationRepository
from roundsman.repositories.runs import RunRepository
from roundsman.repositories.silences import SilenceRepository
from roundsman.repositories.stale_spans import StaleSpanRepository
from roundsman.repositories.ticks import TickRepository
from roundsman.scheduling.job import Job, JobContext, Outcome

LEDGER_KEPT_FOR = timedelta(days=30)
ALERTS_KEPT_FOR = timedelta(days=180)
INBOX_KEPT_FOR = timedelta(days=90)
OBSERVATIONS_KEPT_FOR = timedelta(days=60)
DEAD_LETTERS_KEPT_FOR = timedelta(days=30)
_BATCH_ROWS = 1_000
"""Small enough that a batch holds SQLite's write lock for milliseconds only: ticks are claimed meanwhile."""


class Cleanup(Job):
    """Open alerts, running ticks, a job's newest tick, unfinished runs and what is known of whoever waits are kept.

    Of the queue only old dead letters are; a queue that is away keeps them until the next night.
    """

    name: ClassVar[str] = "cleanup"
    schedule: ClassVar[str] = "17 3 * * *"
    jitter: ClassVar[timedelta] = timedelta(minutes=5)

    def __init__(self, store: Store, ticks: TickRepository, queue: Queue) -> None:
        self._store = store
        self._ticks = ticks
        self._queue = queue
        self._alerts = AlertRepository()
        self._inbox = InboxRepository()
        self._silences = SilenceRepository()
        self._runs = RunRepository()
        self._observations = ObservationRepository()
        self._spans = StaleSpanRepository()
        self._held = HeldLookRepository()

    def run(self, ctx: JobContext) -> Outcome:
        now = ctx.clock.now()
        return Outcome.done(
            ticks=self._in_batches(
                ctx, lambda connection: self._ticks.prune(connection, now - LEDGER_KEPT_FOR, limit=_BATCH_ROWS)
            ),
            alerts=self._in_batches(
                ctx, lambda connection: self._alerts.prune(connection, now - ALERTS_KEPT_FOR, limit=_BATCH_ROWS)
            ),
            inbox=self._in_batches(
                ctx, lambda connection: self._inbox.prune(connection, now - INBOX_KEPT_FOR, limit=_BATCH_ROWS)
            ),
            silences=self._in_batches(
                ctx, lambda connection: self._silences.prune(connection, now - ALERTS_KEPT_FOR, limit=_BATCH_ROWS)
            ),
            runs=self._in_batches(ctx, lambda connection: self._runs.prune(connection, now, limit=_BATCH_ROWS)),
            observations=self._in_batches(
                ctx,
                lambda connection: self._observations.prune(connection, now - OBSERVATIONS_KEPT_FOR, limit=_BATCH_ROWS),
            ),
            stale_spans=self._in_batches(
                ctx, lambda connection: self._spans.prune(connection, now - OBSERVATIONS_KEPT_FOR, limit=_BATCH_ROWS)
            ),
            held_looks=self._in_batches(
                ctx, lambda connection: self._held.prune(connection, now - OBSERVATIONS_KEPT_FOR, limit=_BATCH_ROWS)
            ),
            dead_letters=self._forget_dead_letters(ctx, now - DEAD_LETTERS_KEPT_FOR),
        )

    def _in_batches(self, ctx: JobContext, prune: Callable[[Connection], int]) -> int:
        removed = 0
        while True:
            ctx.stop.check()
            with self._store.write() as connection:
                batch = prune(connection)
            removed += batch
            if batch < _BATCH_ROWS:
                return removed

    def _forget_dead_letters(self, ctx: JobContext, before: datetime) -> int:
        removed = 0
        while True:
            ctx.stop.check()
            try:
                batch = self._queue.forget(before, _BATCH_ROWS)
            except QueueError as error:
                ctx.log.warning("Old dead letters stay where they are: %s", error)
                return removed
            removed += batch
            if batch < _BATCH_ROWS:
                return removed
