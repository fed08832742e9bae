"""The outbox of runs over both databases: claims, their guards, the order within a run, and what is given up."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from roundsman.clock import ManualClock
from roundsman.repositories.engine import Store
from roundsman.repositories.run_outbox import _CLAIM, OutgoingEvent, RunOutbox
from roundsman.repositories.run_record import RunEvent, RunRecord

LEASE = timedelta(seconds=60)
MINUTE = timedelta(minutes=1)
ME, OTHER = "here/boot/1/1", "here/boot/2/2"
SINK = "webhook"


class Desk:
    """One process at the outbox."""

    def __init__(self, store: Store, clock: ManualClock, owner: str = ME) -> None:
        self._store = store
        self._clock = clock
        self.outbox = RunOutbox(owner, LEASE)

    def put(self, *events: tuple[int, str], sinks: Sequence[str] = (SINK,)) -> None:
        with self._store.write() as connection:
            RunRecord().add_events(
                connection, sinks, [RunEvent(run, name, {"run": run}) for run, name in events], self._clock.now()
            )

    def claim(self, most: int = 10, sink: str = SINK) -> list[OutgoingEvent]:
        with self._store.write() as connection:
            return self.outbox.claim(connection, sink, most, self._clock.now())

    def write(self, name: str, *arguments: Any, **named: Any) -> Any:
        with self._store.write() as connection:
            return getattr(self.outbox, name)(connection, *arguments, **named)


@pytest.fixture
def desk(store: Store, clock: ManualClock) -> Desk:
    return Desk(store, clock)


def names(events: Sequence[OutgoingEvent]) -> list[tuple[int, str]]:
    return [(event.run_id, event.event) for event in events]


# --- order ---


def test_only_the_first_event_of_a_run_can_be_claimed(desk: Desk) -> None:
    desk.put((1, "a"), (2, "a"), (1, "b"), (2, "b"), (1, "c"))
    first = desk.claim()
    assert names(first) == [(1, "a"), (2, "a")]
    assert desk.claim() == [], "they are under way, so nothing of their runs may pass them"
    assert desk.write("delivered", first[:1]) == {first[0].id}
    assert names(desk.claim()) == [(1, "b")]


def test_an_event_that_is_tried_again_keeps_the_later_ones_behind_it(desk: Desk, clock: ManualClock) -> None:
    desk.put((1, "a"), (1, "b"), (2, "a"))
    one, two = desk.claim()
    desk.write("delivered", [two])
    desk.write("retry", SINK, [one], clock.now() + MINUTE, "HTTP 503")
    desk.put((1, "c"))
    assert desk.claim() == []
    clock.advance(MINUTE)
    (again,) = desk.claim()
    assert (again.event, again.attempts, again.key) == ("a", 2, one.key)
    desk.write("delivered", [again])
    assert names(desk.claim()) == [(1, "b")]


def test_what_is_set_aside_blocks_nothing(desk: Desk, clock: ManualClock) -> None:
    desk.put((1, "a"), (1, "b"))
    desk.write("set_aside", desk.claim(), "HTTP 422", clock.now())
    assert names(desk.claim()) == [(1, "b")]
    backlog = desk.write("backlog")[SINK]
    assert (backlog.waiting, backlog.set_aside) == (1, 1)


def test_sinks_do_not_wait_for_each_other(desk: Desk) -> None:
    desk.put((1, "a"), (1, "b"), sinks=("webhook", "journal"))
    assert names(desk.claim()) == [(1, "a")]
    journal = desk.claim(sink="journal")
    desk.write("delivered", journal)
    assert names(desk.claim(sink="journal")) == [(1, "b")]


def test_those_that_wait_longest_come_first_and_no_more_than_asked(desk: Desk, clock: ManualClock) -> None:
    desk.put((3, "a"))
    clock.advance(MINUTE)
    desk.put((1, "a"), (2, "a"))
    assert names(desk.claim(2)) == [(3, "a"), (1, "a")]


# --- claims ---


def test_what_was_put_in_comes_out(desk: Desk, store: Store, clock: ManualClock) -> None:
    payload = {"run": 7, "workflow": "noop", "error": 'Trần "Ế" 🐣', "until": None, "n": [1, {"x": 1.5}]}
    with store.write() as connection:
        RunRecord().add_events(connection, [SINK], [RunEvent(7, "run.failed", payload)], clock.now())
    (event,) = desk.claim()
    assert (event.run_id, event.event, event.payload, event.created_at) == (7, "run.failed", payload, clock.now())
    assert (event.attempts, event.key) == (1, f"7-{event.id}")


def test_a_number_is_never_given_to_a_second_event(desk: Desk) -> None:
    desk.put((1, "a"))
    (first,) = desk.claim()
    desk.write("delivered", [first])
    desk.put((1, "b"))
    (second,) = desk.claim()
    assert second.key != first.key, "a receiver that knows the first would drop the second"


@pytest.mark.parametrize("change", ["delivered", "put_back", "retry", "set_aside"])
def test_who_was_away_too_long_changes_nothing(desk: Desk, store: Store, clock: ManualClock, change: str) -> None:
    desk.put((1, "a"))
    old = desk.claim()
    clock.advance(LEASE)
    other = Desk(store, clock, OTHER)
    assert other.write("release", [], [], clock.now()) == 1
    (new,) = other.claim()
    more: dict[str, tuple[Any, ...]] = {"retry": (clock.now(), "x"), "set_aside": ("x", clock.now())}
    before = (SINK,) if change == "retry" else ()
    assert desk.write(change, *before, old, *more.get(change, ())) == set()
    assert other.write("delivered", [new]) == {new.id}


def test_the_same_owner_s_earlier_claim_counts_no_more(desk: Desk, clock: ManualClock) -> None:
    desk.put((1, "a"))
    old = desk.claim()
    clock.advance(LEASE)
    desk.write("release", [], [], clock.now())
    new = desk.claim()
    assert desk.write("delivered", old) == set()
    assert desk.write("delivered", new) == {new[0].id}


def test_put_back_is_as_if_never_claimed(desk: Desk) -> None:
    desk.put((1, "a"))
    desk.write("put_back", desk.claim())
    assert desk.claim()[0].attempts == 1


def test_claims_of_the_dead_are_free_at_once_and_others_when_their_lease_ends(
    desk: Desk, store: Store, clock: ManualClock
) -> None:
    desk.put((1, "a"), (2, "a"), (3, "a"))
    desk.claim(1)
    Desk(store, clock, OTHER).claim(1)
    (mine,) = Desk(store, clock, "me").claim(1)
    assert desk.write("holders") == dict.fromkeys([ME, OTHER, "me"], clock.now() + LEASE)
    assert desk.write("release", [OTHER], [], clock.now()) == 1
    clock.advance(LEASE)
    assert desk.write("release", [], [mine.id], clock.now()) == 1
    assert desk.write("holders").keys() == {"me"}


@pytest.mark.postgres
def test_on_postgresql_a_claim_passes_by_what_another_one_has_locked(postgres_store: Store, clock: ManualClock) -> None:
    mine, other = Desk(postgres_store, clock), Desk(postgres_store, clock, OTHER)
    mine.put((1, "a"), (2, "a"), (1, "b"))
    with postgres_store.write() as connection:
        assert names(mine.outbox.claim(connection, SINK, 1, clock.now())) == [(1, "a")]
        assert names(other.claim()) == [(2, "a")]


# --- when and how many ---


def test_the_next_due_time_is_that_of_the_first_unclaimed(desk: Desk, clock: ManualClock) -> None:
    assert desk.write("next_due", SINK) is None
    desk.put((1, "a"))
    assert desk.write("next_due", SINK) == clock.now()
    claimed = desk.claim()
    assert desk.write("next_due", SINK) is None
    desk.write("retry", SINK, claimed, clock.now() + MINUTE, "x")
    assert desk.write("next_due", SINK) == clock.now() + MINUTE
    assert desk.write("next_due", "journal") is None


def test_old_events_that_nobody_tried_expire_and_are_forgotten_later(desk: Desk, clock: ManualClock) -> None:
    desk.put((1, "a"), (2, "a"))
    (tried,) = desk.claim(1)
    desk.write("retry", SINK, [tried], clock.now() + 2 * MINUTE, "x")
    clock.advance(MINUTE)
    desk.put((3, "a"))
    expired_at = clock.now()
    assert desk.write("expire", SINK, expired_at - MINUTE, "x", expired_at) == 1
    assert desk.write("backlog")[SINK].waiting == 2
    assert desk.write("forget", expired_at - MINUTE) == 0
    assert desk.write("forget", expired_at) == 1
    assert desk.write("backlog")[SINK].set_aside == 0


def test_events_outlive_their_run(desk: Desk, store: Store) -> None:
    desk.put((1, "run.completed"))
    with store.write() as connection:
        connection.execute(text("DELETE FROM runs"))
    assert names(desk.claim()) == [(1, "run.completed")]


# --- cost ---


def plan_of_claim(store: Store) -> str:
    statement = "EXPLAIN " + ("QUERY PLAN " if store.dialect == "sqlite" else "") + _CLAIM.text(store.dialect)
    with store.write() as connection:
        now = connection.execute(text("SELECT CURRENT_TIMESTAMP")).scalar_one()
        values = {"sink": SINK, "most": 50, "owner": ME, "now": now, "until": now}
        return "\n".join(str(row[-1]) for row in connection.exec_driver_sql(statement, values))


def test_a_claim_reads_the_head_of_an_index_whatever_waits_behind_it(store: Store, desk: Desk) -> None:
    for start in range(0, 20_000, 5_000):
        desk.put(*((run, name) for run in range(start, start + 5_000) for name in ("a", "b")))
    found = plan_of_claim(store)
    assert "ix_run_events_due" in found
    assert "ix_run_events_first" in found
    assert "Seq Scan on run_events" not in found
    assert "SCAN due" not in found
