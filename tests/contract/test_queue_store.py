"""The queue in the store beyond the port: what claims read, and what transactions do to each other."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from queue_samples import KIND, OTHER_KIND, draft, drafts, numbers
from sqlalchemy import Connection, text

from roundsman.message import KindLimits, Message, Rate
from roundsman.repositories.engine import Store
from roundsman.repositories.queue import AT_ONCE, QueueRepository
from roundsman.repositories.queue_claim import _claim, _heads
from roundsman.repositories.queue_stock import _FORGET

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
WAIT_S = 30


def repository(owner: str = "me", **facts: Any) -> QueueRepository:
    options: dict[str, Any] = {"limits": {}, "lease": timedelta(seconds=30), "dedup_window": timedelta(minutes=5)}
    return QueueRepository(owner, **options | facts)


def fill(store: Store, count: int, *, queue: QueueRepository | None = None, **facts: Any) -> None:
    with store.write() as connection:
        (queue or repository()).enqueue(connection, drafts(range(count), **facts), NOON)


def claim(store: Store, most: int, *, queue: QueueRepository | None = None, now: datetime = NOON) -> list[Message]:
    with store.write() as connection:
        return (queue or repository()).claim(connection, {KIND: most}, most, now)


# --- what a claim reads ---


def test_a_claim_on_sqlite_walks_along_the_index_of_ready_messages(sqlite_store: Store) -> None:
    values = {**_heads({KIND: 5, OTHER_KIND: 5}), "most": 5, "owner": "me", "until": "2026"}
    with sqlite_store.read() as connection:
        plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + _claim(2).text("sqlite"), values).all()
    steps = [row[3] for row in plan]
    assert sum("USING INDEX ix_queue_messages_ready (kind=?)" in step for step in steps) == 2
    assert sum("SEARCH queue_messages USING INTEGER PRIMARY KEY" in step for step in steps) == 1
    assert not [step for step in steps if step.startswith("SCAN queue_messages")]
    assert [step for step in steps if "TEMP B-TREE FOR ORDER BY" in step] == ["USE TEMP B-TREE FOR ORDER BY"], (
        "only the heads are sorted"
    )


@pytest.mark.postgres
@pytest.mark.parametrize("analyzed", [False, True], ids=["no statistics", "old statistics"])
def test_a_claim_on_postgresql_reads_only_the_head_whatever_the_statistics_say(
    postgres_store: Store, analyzed: bool
) -> None:
    if analyzed:
        with postgres_store.write() as connection:
            connection.execute(text("ANALYZE queue_messages"))  # of an empty table
    fill(postgres_store, 20_000)
    read = _rows_read(postgres_store, lambda connection: repository().claim(connection, {KIND: 50}, 50, NOON))
    assert 50 <= read <= 200


def _rows_read(store: Store, act: Callable[[Connection], object]) -> int:
    """What the server counted in the index and the table for one transaction."""
    counted = text(
        "SELECT sum(pg_stat_get_xact_tuples_returned(oid)) + sum(pg_stat_get_xact_tuples_fetched(oid)) FROM pg_class"
        " WHERE relname IN ('queue_messages', 'ix_queue_messages_ready', 'pk_queue_messages')"
    )
    with store.write() as connection:
        act(connection)
        return int(connection.execute(counted).scalar_one())


@pytest.mark.postgres
def test_the_next_of_a_long_group_is_found_without_reading_the_group(postgres_store: Store) -> None:
    fill(postgres_store, 20_000, group="a")
    (head,) = claim(postgres_store, 10)
    read = _rows_read(postgres_store, lambda connection: repository().ack(connection, [head]))
    assert read <= 50
    assert numbers(claim(postgres_store, 10)) == [1]


def test_more_than_fits_one_go_becomes_due_little_by_little(store: Store) -> None:
    fill(store, AT_ONCE + 10, delay=timedelta(minutes=1))
    later = NOON + timedelta(minutes=2)
    first = claim(store, 5_000, now=later)
    with store.read() as connection:
        due = repository().next_due(connection, [KIND])
    assert due is not None
    assert due <= later, "a claim is worth while at once"
    assert sorted(numbers(first + claim(store, 5_000, now=later))) == list(range(AT_ONCE + 10))


# --- transactions beside each other ---


def at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run them in threads that start together."""
    gate = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        gate.wait(WAIT_S)
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result(WAIT_S * 2) for future in [pool.submit(run, act) for act in acts]]


def test_receivers_at_the_same_time_never_get_the_same_message(store: Store) -> None:
    fill(store, 600)

    def drain() -> list[Message]:
        taken: list[Message] = []
        while some := claim(store, 7, queue=repository(threading.current_thread().name)):
            taken += some
        return taken

    taken = [message for part in at_once([drain] * 4) for message in part]
    assert sorted(numbers(taken)) == list(range(600))


@pytest.mark.postgres
def test_a_receiver_takes_none_away_that_it_does_not_receive(postgres_store: Store) -> None:
    fill(postgres_store, 10)
    fill(postgres_store, 10, kind=OTHER_KIND)
    wanted = {KIND: 10, OTHER_KIND: 10}
    with postgres_store.write() as first:
        taken = repository().claim(first, wanted, 10, NOON)
        with postgres_store.write() as second:
            others = repository("other").claim(second, wanted, 10, NOON)
    assert (len(taken), len(others)) == (10, 10)


def test_of_a_group_one_is_under_way_whoever_enqueues_and_acks_at_the_same_time(store: Store) -> None:
    """Each of these races has left a group without a head, or with two, in some queue of this kind."""
    receiver = repository()

    def enqueue(first: int) -> Callable[[], None]:
        def act() -> None:
            for number in range(first, first + 15):
                with store.write() as connection:
                    repository().enqueue(connection, [draft(number, group="a"), draft(number, group="b")], NOON)

        return act

    def receive() -> list[int]:
        got: list[int] = []
        for _ in range(40):
            held = claim(store, 10, queue=receiver)
            got += numbers(held)
            with store.write() as connection:
                assert receiver.ack(connection, held) == []
        return got

    parts = at_once([enqueue(0), enqueue(100), receive, receive])
    got = parts[2] + parts[3]
    while rest := claim(store, 10):
        assert len({message.group for message in rest}) == len(rest)
        got += numbers(rest)
        with store.write() as connection:
            repository().ack(connection, rest)
    assert sorted(got) == sorted(2 * [*range(15), *range(100, 115)])


def test_limits_hold_whoever_claims_at_the_same_time(store: Store) -> None:
    limits = {KIND: KindLimits(concurrency=5), OTHER_KIND: KindLimits(rate=Rate(7, timedelta(seconds=60)))}
    queue = repository(limits=limits)
    fill(store, 50)
    fill(store, 50, kind=OTHER_KIND)

    def take() -> list[Message]:
        with store.write() as connection:
            return queue.claim(connection, {KIND: 4, OTHER_KIND: 4}, 8, NOON)

    taken = [message for part in at_once([take] * 4) for message in part]
    assert sum(message.kind == KIND for message in taken) == 5
    assert sum(message.kind == OTHER_KIND for message in taken) == 7


def test_a_duplicate_is_one_whoever_comes_at_the_same_time(store: Store) -> None:
    def enqueue() -> list[str]:
        with store.write() as connection:
            keyed = [draft(number, dedup=f"key {number}") for number in range(20)]
            return [entered.id for entered in repository().enqueue(connection, keyed, NOON)]

    answers = at_once([enqueue] * 4)
    assert all(answer == answers[0] for answer in answers)
    assert sorted(numbers(claim(store, 100))) == list(range(20))


@pytest.mark.postgres
def test_a_lease_that_is_being_acked_is_not_reported_as_lost(postgres_store: Store) -> None:
    fill(postgres_store, 3)
    held = claim(postgres_store, 3)
    with postgres_store.write() as acking:
        repository().ack(acking, held[:2])
        with postgres_store.write() as extending:
            assert repository().extend(extending, held, NOON) == []
    with postgres_store.write() as connection:
        assert repository().extend(connection, held, NOON) == held[:2]


# --- undone ---


def test_what_was_not_committed_has_not_happened(store: Store) -> None:
    fill(store, 4, group="a")
    queue = repository()

    class KilledError(Exception):
        pass

    def undone(act: Callable[[Connection], Any]) -> None:
        with pytest.raises(KilledError), store.write() as connection:
            act(connection)
            raise KilledError

    undone(lambda connection: queue.enqueue(connection, drafts([8, 9]), NOON))
    undone(lambda connection: queue.claim(connection, {KIND: 9}, 9, NOON))
    (held,) = claim(store, 9)
    assert held.deliveries == 1
    undone(lambda connection: queue.ack(connection, [held]))
    undone(lambda connection: queue.bury(connection, [held], "broken", NOON))
    with store.write() as connection:
        assert queue.extend(connection, [held], NOON) == []
        assert queue.ack(connection, [held]) == []
    assert numbers(claim(store, 9)) == [1]


# --- what is over ---


def test_forgetting_on_sqlite_walks_along_the_index_of_dead_letters(sqlite_store: Store) -> None:
    with sqlite_store.read() as connection:
        values = {"before": "2026", "limit": 5}
        plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + _FORGET.text("sqlite"), values).all()
    steps = [row[3] for row in plan]
    assert any("INDEX ix_queue_messages_dead (dead_at<?)" in step for step in steps)
    assert not [step for step in steps if "TEMP B-TREE" in step or step.startswith("SCAN")]


def test_the_keys_of_duplicates_are_forgotten_when_their_window_is_over(store: Store) -> None:
    fill(store, 1, dedup="old")
    with store.write() as connection:
        repository().enqueue(connection, drafts([1], dedup="new"), NOON + timedelta(minutes=4))
    with store.write() as connection:
        assert repository().forget(connection, NOON, 1_000, NOON + timedelta(minutes=6)) == 0
        assert connection.execute(text("SELECT dedup_key FROM queue_dedup")).scalars().all() == ["new"]
