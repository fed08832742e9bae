"""What a claim costs when a thousand messages wait, and when a million do.

A claim takes a batch, as the engine does, and commits; then the batch is put back. The figures are medians of many
claims, in milliseconds of a transaction.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from roundsman.clock import SystemClock
from roundsman.message import Draft
from roundsman.repositories.engine import Store, StoreOptions, parse_url
from roundsman.repositories.queue import QueueRepository
from roundsman.repositories.schema import ensure_schema

FEW, MANY = 1_000, 1_000_000
AT_ONCE = 10_000
BATCH = 100
CLAIMS = 60
SERIES = 3


def claim_ms(url: str) -> tuple[Sequence[float], Sequence[float]]:
    """The median of a claim with few and with many waiting, each in several series."""
    repository = QueueRepository("bench/-/1/1", {}, timedelta(minutes=5), timedelta(minutes=5), None)
    with closing(Store(StoreOptions(parse_url(url)))) as store:
        ensure_schema(store, backups=Path("/nonexistent"), clock=SystemClock())
        _enqueue(store, repository, FEW)
        few = [_series(store, repository) for _ in range(SERIES)]
        _enqueue(store, repository, MANY - FEW)
        if store.dialect == "postgresql":
            with store.write() as connection:
                connection.exec_driver_sql("ANALYZE queue_messages")  # as autovacuum does within a minute
        many = [_series(store, repository) for _ in range(SERIES)]
    return few, many


def _enqueue(store: Store, repository: QueueRepository, count: int) -> None:
    for start in range(0, count, AT_ONCE):
        drafts = [Draft("one_step", {"run": number}) for number in range(start, min(start + AT_ONCE, count))]
        with store.write() as connection:
            repository.enqueue(connection, drafts, datetime.now(UTC))


def _series(store: Store, repository: QueueRepository) -> float:
    taken = []
    for _ in range(CLAIMS):
        begun = time.perf_counter()
        with store.write() as connection:
            messages = repository.claim(connection, {"one_step": BATCH}, BATCH, datetime.now(UTC))
        taken.append((time.perf_counter() - begun) * 1000)
        if len(messages) != BATCH:
            raise AssertionError(f"{len(messages)} messages were claimed instead of {BATCH}")
        with store.write() as connection:
            repository.nack(connection, messages, None, datetime.now(UTC))
    return median(taken)
