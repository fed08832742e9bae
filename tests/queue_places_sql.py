"""The places of the queue in the store: SQLite and PostgreSQL."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from datetime import timedelta

import pytest
from queue_places import EVERYTHING, ME, Feature, Offer

from roundsman.clock import Clock, ManualClock
from roundsman.message import Draft, KindLimits
from roundsman.queues.base import Queue, QueueOptions
from roundsman.queues.sql import SqlQueue
from roundsman.repositories.engine import Store

_ENQUEUE = """
import json, sys
from datetime import timedelta
from roundsman.clock import SystemClock
from roundsman.message import Draft
from roundsman.queues.base import QueueOptions
from roundsman.queues.sql import SqlQueue
from roundsman.repositories.engine import Store, StoreOptions, parse_url
facts = json.load(sys.stdin)
store = Store(StoreOptions(parse_url(facts.pop("url"))))
queue = SqlQueue(store, SystemClock(), QueueOptions("elsewhere"))
queue.enqueue([Draft(**facts | {"delay": timedelta(seconds=facts["delay"])})])
queue.close()
store.close()
"""


class StoreQueues:
    """Queues that share one store and one manual clock."""

    tick = timedelta(seconds=1)

    def __init__(self, store: Store, clock: ManualClock, stack: ExitStack) -> None:
        self._store, self._clock, self._stack = store, clock, stack

    def queue(
        self,
        *,
        owner: str = ME,
        limits: Mapping[str, KindLimits] | None = None,
        lease: timedelta = timedelta(seconds=30),
        dedup_window: timedelta = timedelta(minutes=5),
        max_deliveries: int | None = None,
        clock: Clock | None = None,
    ) -> Queue:
        options = QueueOptions(owner, limits or {}, lease, dedup_window, max_deliveries)
        return self._stack.enter_context(closing(SqlQueue(self._store, clock or self._clock, options)))

    def pass_time(self, by: timedelta) -> None:
        self._clock.advance(by)

    def enqueue_elsewhere(self, draft: Draft) -> None:
        url = self._store.options.url.render_as_string(hide_password=False)
        facts = asdict(draft) | {"delay": draft.delay.total_seconds(), "url": url}
        subprocess.run([sys.executable, "-c", _ENQUEUE], input=json.dumps(facts), text=True, check=True, timeout=60)


@contextmanager
def _sqlite(request: pytest.FixtureRequest) -> Iterator[StoreQueues]:
    with ExitStack() as stack:
        yield StoreQueues(request.getfixturevalue("sqlite_store"), request.getfixturevalue("clock"), stack)


@contextmanager
def _postgres(request: pytest.FixtureRequest) -> Iterator[StoreQueues]:
    with ExitStack() as stack:
        yield StoreQueues(request.getfixturevalue("postgres_store"), request.getfixturevalue("clock"), stack)


FEATURES = EVERYTHING - {Feature.REMEMBERED_HASTE}
"""Runs need it only where messages do not change together with them."""

PLACES = {"sqlite": Offer(_sqlite, FEATURES), "postgres": Offer(_postgres, FEATURES, (pytest.mark.postgres,))}
