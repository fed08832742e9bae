"""Daemons that meet the same new thing at the same moment, on PostgreSQL: the second one waits for the first one."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import pytest
from sqlalchemy import Insert, text

from roundsman.clock import ManualClock
from roundsman.owner import Owner
from roundsman.repositories.channels import ChannelRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.tables import channels, job_states
from roundsman.repositories.ticks import TickRepository

pytestmark = pytest.mark.postgres

T = TypeVar("T")
_WAITS = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
_A_MOMENT = text("SELECT pg_stat_clear_snapshot(), pg_sleep(0.01)")


@contextmanager
def just_behind(store: Store, first: Insert, second: Callable[[], T]) -> Iterator["Future[T]"]:
    """What becomes of the second one, which comes just before the first one's commit."""
    with ThreadPoolExecutor(1) as pool:
        with store.write() as connection:
            connection.execute(first)
            future = pool.submit(second)
            while not future.done() and not connection.execute(_WAITS).scalar_one():
                connection.execute(_A_MOMENT)
        yield future


def test_a_job(postgres_store: Store, clock: ManualClock) -> None:
    ledger, now = TickRepository(postgres_store, Owner.this_process()), clock.now()
    first = job_states.insert().values(job="job", schedule="every 1s", expected_since=now)
    with just_behind(postgres_store, first, lambda: ledger.expect("job", "every 1s", now + timedelta(seconds=1))) as it:
        assert it.result().since == now


def test_a_channel(postgres_store: Store) -> None:
    def register() -> set[str]:
        with postgres_store.write() as connection:
            return ChannelRepository().register(connection, {"slack": "x"})

    with just_behind(postgres_store, channels.insert().values(channel="slack", identity="x"), register) as it:
        assert it.result() == set()
    with postgres_store.read() as connection:
        assert list(ChannelRepository().states(connection)) == ["slack"]
