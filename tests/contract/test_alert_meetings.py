"""Daemons that touch the same waiting messages at the same moment, on PostgreSQL: no news is lost between them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from alert_outbox import Outbox
from shift_samples import calendar, local, week
from sqlalchemy import Connection, text

from roundsman.alerts.pipeline import Pipeline
from roundsman.alerts.rules.route import Route, Rules
from roundsman.clock import ManualClock
from roundsman.repositories.audience import Audience
from roundsman.repositories.engine import Store
from roundsman.repositories.handover import Handover

pytestmark = pytest.mark.postgres

CALM = Rules((Route("calm", hours=calendar(week(mon_sun=["08:00-18:00"]))),))
NIGHT, MORNING = local("2026-03-03 23:00"), local("2026-03-04 08:00")
_WAITS = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
_A_MOMENT = text("SELECT pg_stat_clear_snapshot(), pg_sleep(0.01)")


def one_behind_the_other(store: Store, first: Callable[[Connection], object], second: Callable[[], object]) -> None:
    """The second one comes just before the first one's commit, and waits for it or goes by."""
    with ThreadPoolExecutor(1) as pool:
        with store.write() as connection:
            first(connection)
            future = pool.submit(second)
            while not future.done() and not connection.execute(_WAITS).scalar_one():
                connection.execute(_A_MOMENT)
        future.result()


def test_what_is_let_go_together_with_what_ends_at_that_moment_is_told(postgres_store: Store) -> None:
    outbox = Outbox(postgres_store, ManualClock(NIGHT), rules=CALM)
    outbox.fire("1", "2", audience=Audience("Sales", ("slack",)))
    outbox.clock.advance(MORNING - NIGHT)

    def release(connection: Connection) -> None:
        Pipeline(outbox.rules, outbox.channels).release(connection, outbox.clock.now(), 100)

    one_behind_the_other(postgres_store, release, lambda: outbox.resolve("1"))
    assert [outbox.subjects(claim.shows) for claim in outbox.drain()] == [["2"]]


def test_what_is_folded_while_it_is_handed_on_is_told(postgres_store: Store) -> None:
    names = [str(number) for number in range(30)]
    outbox = Outbox(postgres_store, ManualClock(MORNING))
    for name in names:
        outbox.fire(name, audience=Audience("Sales", ("slack",), fallback=("hook",)))

    def fold(connection: Connection) -> None:
        assert Pipeline(outbox.rules, outbox.channels).fold(connection, 100, outbox.clock.now()) == len(names)

    def hand_on() -> None:
        with postgres_store.write() as connection:
            Handover().move_waiting(connection, "slack", "it is switched off", {"hook"}, outbox.clock.now())

    one_behind_the_other(postgres_store, fold, hand_on)
    outbox.clock.advance(timedelta(minutes=1))
    hand_on()
    told = [name for claim in outbox.drain("hook") for name in outbox.subjects(claim.shows)]
    assert sorted(told, key=int) == names
