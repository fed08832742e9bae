"""The queue in the store rings when a message is due again at once: no later time leads anybody to it."""

import threading
from datetime import timedelta

import pytest

from roundsman.clock import ManualClock
from roundsman.message import Draft
from roundsman.queues.bell import Bell
from roundsman.repositories.engine import Store
from roundsman.repositories.queue import QueueRepository
from roundsman.runs.run_queue import StoreRunQueue
from roundsman.runs.verdict import Nack

PATIENCE_S = 10.0


@pytest.mark.parametrize("ago", [None, timedelta(0), timedelta(milliseconds=1)])
def test_it_rings_for_what_is_due_at_once(store: Store, clock: ManualClock, ago: timedelta | None) -> None:
    queue = StoreRunQueue(store, QueueRepository("me", {}, timedelta(seconds=30), timedelta(minutes=5)), Bell(store))
    now = clock.now()
    with store.write() as connection:
        queue.enqueue(connection, [Draft("kind", {"run": 1})], now)
        queue.want({"kind": 1}, 1)
        (message,) = queue.take(connection, now)
    rung = threading.Event()
    queue.start(rung.set)
    try:
        assert rung.wait(PATIENCE_S)  # for what was enqueued before
        rung.clear()
        with store.write() as connection:
            queue.settle(connection, [(message, Nack(None if ago is None else now - ago))], now)
            assert queue.next_due(connection, ["kind"]) is None
        queue.committed()
        assert rung.wait(PATIENCE_S)
    finally:
        queue.stop()
