"""Runs in both databases: who may change them, what is written of many at once, what is removed, what indexes carry."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import BigInteger, Boolean, Column, Connection, Float, Integer, MetaData, Table, Text, text
from sqlalchemy.exc import IntegrityError

from roundsman.clock import ManualClock
from roundsman.errors import StoreError
from roundsman.repositories.columns import Json, UtcTime
from roundsman.repositories.connections import driver_of
from roundsman.repositories.engine import Store, StoreOptions
from roundsman.repositories.pipeline import pipelined
from roundsman.repositories.rows import InsertRows, UpdateRows
from roundsman.repositories.run_claims import Advance, ClaimedRun, ClaimLostError, Leave, RunClaims
from roundsman.repositories.run_decisions import RunDecisions
from roundsman.repositories.run_record import LogLine, RunEvent, RunRecord, Unit, UnitKind
from roundsman.repositories.runs import NewRun, Run, RunRepository, RunStatus
from roundsman.repositories.statement import Statement

SECOND = timedelta(seconds=1)
LEASE = timedelta(seconds=30)
MINE, THEIRS = RunClaims("here/a+1/1/1", LEASE), RunClaims("there/b+1/2/2", LEASE)
RUNS, RECORD, DECISIONS = RunRepository(), RunRecord(), RunDecisions()


def _new(number: int, **facts: Any) -> NewRun:
    plain = NewRun(number, "sample", "first", {"number": number}, 5, None, None, f"c-{number}", 3600)
    return replace(plain, **facts)


def _insert(store: Store, clock: ManualClock, count: int = 1, **facts: Any) -> list[int]:
    with store.write() as connection:
        numbers = list(RUNS.numbers(connection, count))
        RUNS.insert(connection, [_new(number, **facts) for number in numbers], [f"m-{n}" for n in numbers], clock.now())
    return numbers


def _claim(store: Store, clock: ManualClock, numbers: list[int], claims: RunClaims = MINE) -> list[ClaimedRun]:
    with store.write() as connection:
        return claims.claim(connection, numbers, clock.now())


def _find(store: Store, number: int) -> Run:
    with store.read() as connection:
        found = RUNS.find(connection, number)
    assert found is not None
    return found


def _leave(run: ClaimedRun, status: RunStatus = RunStatus.QUEUED, **facts: Any) -> Leave:
    return Leave(run.id, run.token, status, **{**_WHERE, **facts})


_WHERE: dict[str, Any] = {
    "state": "second", "data": {"a": 1}, "sequence": 1, "attempt": 0, "crashes": 0, "progress": 50,
}  # fmt: skip


def _unit(number: int, sequence: int, now: datetime, **facts: Any) -> Unit:
    plain = Unit(number, sequence, UnitKind.STEP, "step", "first", "next", "second", {"a": sequence}, 1, now, now)
    return plain._replace(**facts)


# --- claims ---


def test_a_run_is_claimed_by_one_owner(store: Store, clock: ManualClock) -> None:
    numbers = _insert(store, clock, 3)
    mine = _claim(store, clock, numbers)
    assert sorted(run.id for run in mine) == numbers
    assert {(run.token, run.state, run.keep_s, run.on_time) for run in mine} == {(1, "first", 3600, None)}
    assert _claim(store, clock, numbers, THEIRS) == []
    run = _find(store, numbers[0])
    assert (run.status, run.owner, run.lease_until) == (RunStatus.RUNNING, "here/a+1/1/1", clock.now() + LEASE)


def test_of_many_that_claim_the_same_runs_each_gets_others(store: Store, clock: ManualClock) -> None:
    numbers = _insert(store, clock, 200)
    together = threading.Barrier(4, timeout=20)
    won: list[int] = []

    def claim(owner: int) -> None:
        claims = RunClaims(f"{owner}/x+1/1/1", LEASE)
        together.wait()
        for start in range(0, 200, 20):
            won.extend(run.id for run in _claim(store, clock, numbers[start : start + 20], claims))

    threads = [threading.Thread(target=claim, args=(owner,)) for owner in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(won) == numbers


def test_a_run_is_claimed_when_its_time_has_come(store: Store, clock: ManualClock) -> None:
    later = clock.now() + SECOND
    (delayed,) = _insert(store, clock, not_before=later)
    timed, signalled = _insert(store, clock, 2)
    runs = _claim(store, clock, [timed, signalled])
    with store.write() as connection:
        MINE.leave(
            connection,
            [
                _leave(runs[0], RunStatus.WAITING, not_before=later, on_time="late"),
                _leave(runs[1], RunStatus.WAITING, awaits=["approve"]),
            ],
        )
    waits = {runs[0].id, runs[1].id}
    assert waits == {timed, signalled}
    assert _claim(store, clock, [delayed, timed, signalled]) == []
    clock.advance(SECOND)
    again = {run.id: run.on_time for run in _claim(store, clock, [delayed, timed, signalled])}
    assert again == {delayed: None, runs[0].id: "late"}
    assert _find(store, runs[0].id).not_before is None


@pytest.mark.parametrize("status", [RunStatus.PAUSED, RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED])
def test_what_is_paused_or_finished_is_not_claimed(store: Store, clock: ManualClock, status: RunStatus) -> None:
    numbers = _insert(store, clock)
    (run,) = _claim(store, clock, numbers)
    with store.write() as connection:
        MINE.leave(connection, [_leave(run, status)])
        assert MINE.claim(connection, numbers, clock.now()) == []
        assert MINE.claim(connection, [], clock.now()) == []
        assert MINE.standings(connection, [*numbers, 4711])[numbers[0]].status is status


def test_an_old_token_changes_nothing(store: Store, clock: ManualClock) -> None:
    (number,) = _insert(store, clock)
    (old,) = _claim(store, clock, [number])
    clock.advance(LEASE)
    with store.write() as connection:
        assert MINE.release(connection, [], clock.now(), {}) == [number]
    (new,) = _claim(store, clock, [number])  # by the same owner: only the token tells them apart
    assert (old.token, new.token, new.crashes) == (1, 3, 1)
    before = _find(store, number)
    with pytest.raises(ClaimLostError), store.write() as connection:
        MINE.advance(connection, [Advance(number, old.token, "second", {}, 9, 9)])
    for status in (RunStatus.QUEUED, RunStatus.COMPLETED):
        with pytest.raises(ClaimLostError), store.write() as connection:
            MINE.leave(connection, [_leave(old, status)])
    clock.advance(SECOND)
    with store.write() as connection:
        MINE.show_progress(connection, [(number, old.token, 99)])
        assert MINE.holding(connection, {number: old.token}) == {}
        assert MINE.renew(connection, {number: old.token}, before.lease_until or clock.now()) == set()
        assert THEIRS.renew(connection, {number: new.token}, clock.now()) == set()
    assert replace(_find(store, number), lease_until=None) == replace(before, lease_until=None)
    with store.write() as connection:
        assert MINE.holding(connection, {number: new.token}) == {number: None}
        assert MINE.renew(connection, {number: new.token}, clock.now()) == {number}
        MINE.show_progress(connection, [(number, new.token, 42)])
    run = _find(store, number)
    assert (run.progress, run.lease_until) == (42, clock.now() + LEASE)


def test_one_lost_claim_undoes_the_whole_transaction(store: Store, clock: ManualClock) -> None:
    numbers = _insert(store, clock, 2)
    one, lost = _claim(store, clock, numbers)
    with store.write() as connection:
        assert DECISIONS.cancel(connection, lost.id, clock.now(), None)
    with pytest.raises(ClaimLostError), store.write() as connection:
        RECORD.add_units(connection, [_unit(one.id, 0, clock.now())])
        MINE.advance(connection, [Advance(run.id, run.token, "second", {}, 1, 0) for run in (one, lost)])
    with store.read() as connection:
        assert RECORD.units(connection, one.id) == []
    assert _find(store, one.id).state == "first"


@pytest.mark.postgres
@pytest.mark.parametrize("what", ["cancel", "pause"])
def test_somebody_who_comes_between_the_look_and_the_change_is_noticed(
    postgres_store: Store, clock: ManualClock, what: str
) -> None:
    store = postgres_store
    (number,) = _insert(store, clock)
    (run,) = _claim(store, clock, [number])
    with pytest.raises(ClaimLostError), store.write() as connection:
        assert MINE.holding(connection, {number: run.token}) == {number: None}
        with store.write() as between:
            if what == "cancel":
                DECISIONS.cancel(between, number, clock.now(), None)
            else:
                DECISIONS.pause(between, number)
        RECORD.add_units(connection, [_unit(number, 0, clock.now())])
        MINE.leave(connection, [_leave(run, RunStatus.WAITING, awaits=["approve"])])
    with store.read() as connection:
        assert RECORD.units(connection, number) == []
    assert _find(store, number).asked == what


def test_a_pause_is_not_passed_over_by_a_step_that_would_go_on(store: Store, clock: ManualClock) -> None:
    (number,) = _insert(store, clock)
    (run,) = _claim(store, clock, [number])
    with store.write() as connection:
        assert DECISIONS.pause(connection, number) is RunStatus.RUNNING
    with pytest.raises(ClaimLostError), store.write() as connection:
        MINE.advance(connection, [Advance(number, run.token, "second", {"b": 2}, 1, 10)])
    with store.write() as connection:
        assert MINE.holding(connection, {number: run.token}) == {number: "pause"}
        assert MINE.asked(connection) == {number: "pause"}
        assert THEIRS.asked(connection) == {}
        MINE.leave(connection, [_leave(run, RunStatus.PAUSED)])
        assert MINE.asked(connection) == {}


# --- release ---


def test_what_dead_owners_held_and_what_nobody_renews_is_free(store: Store, clock: ManualClock) -> None:
    dead, mine, paused = _insert(store, clock, 3)
    _claim(store, clock, [dead, paused], THEIRS)
    _claim(store, clock, [mine])
    with store.write() as connection:
        DECISIONS.pause(connection, paused)
        assert MINE.owners(connection) == {"here/a+1/1/1", "there/b+1/2/2"}
        assert MINE.lease_ends(connection) == clock.now() + LEASE
        assert MINE.release(connection, ["there/b+1/2/2"], clock.now(), {"there/b+1/2/2": [paused]}) == [dead, paused]
        assert MINE.release(connection, ["there/b+1/2/2"], clock.now(), {}) == []
    assert [(_find(store, n).status, _find(store, n).crashes, _find(store, n).asked) for n in (dead, paused, mine)] == [
        (RunStatus.QUEUED, 0, None), (RunStatus.PAUSED, 1, None), (RunStatus.RUNNING, 0, None),
    ]  # fmt: skip
    with store.write() as connection:
        assert MINE.release(connection, [], clock.now() + LEASE - SECOND, {}) == []
        assert MINE.release(connection, [], clock.now() + LEASE, {}) == [mine]
        assert MINE.lease_ends(connection) is None


# --- many rows at once ---

_ALL = Table(
    "every_type",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("token", Integer),
    Column("at", UtcTime),
    Column("body", Json),
    Column("flag", Boolean),
    Column("share", Float),
    Column("words", Text),
    Column("asked", Text),
)
_NAMES = ("id", "token", "at", "body", "flag", "share", "words")
_HEARD = Statement("SELECT count(*) FROM every_type WHERE asked = 'heard'")
_FILL = InsertRows(_ALL, _NAMES)
_CHANGE = UpdateRows(_ALL, ("id", "token"), _NAMES[2:], fixed="asked = 'heard'", where="asked IS NULL")


@pytest.fixture
def every_type(store: Store) -> Iterator[Store]:
    with store.write() as connection:
        _ALL.create(connection)
    yield store
    with store.write() as connection:
        _ALL.drop(connection)


class _TooFewError(Exception):
    pass


_AT = datetime.fromisoformat("2026-03-03T11:00:00.000123+07:00")
_VALUES: list[tuple[Any, ...]] = [
    (1, 1, _AT, {"a": [1, None, '\u1ea1"\\']}, True, 0.1, "plain"),
    (2, -1, None, None, None, None, None),
    (2**62, 1, _AT, "null", False, -1e300, ""),
    (4, 1, _AT, [], True, 0.0, 'quotes " and \\ and {braces}, commas, NULL, %s ? :name'),
    (5, 1, _AT, 0, False, 1.5, "NULL"),
    (6, 1, _AT, {"deep": {"\U0001f600": "\u0000"}}, True, 2.0, "line\nbreak \t \U0001f600 \u1ea1"),
]


def _stored(store: Store) -> list[tuple[Any, ...]]:
    with store.read() as connection:
        return [tuple(row)[:7] for row in connection.execute(_ALL.select().order_by(_ALL.c.id))]


def test_rows_of_every_type_come_back_as_they_went_in(every_type: Store) -> None:
    with every_type.write() as connection:
        _FILL.execute(connection, [])
        _FILL.execute(connection, _VALUES)
        for row in _VALUES:
            _FILL.execute(connection, [(row[0] + 100, *row[1:])])
    stored = _stored(every_type)
    assert stored == sorted(_VALUES + [(row[0] + 100, *row[1:]) for row in _VALUES])
    with every_type.read() as connection:
        nulls = connection.execute(text("SELECT count(*) FROM every_type WHERE body IS NULL")).scalar()
    assert nulls == 2


def test_rows_are_changed_by_their_keys_and_what_is_fixed_with_them(every_type: Store) -> None:
    with every_type.write() as connection:
        _FILL.execute(connection, [(number, 1, None, None, None, None, None) for number, *_ in _VALUES])
        changes = [(row[0], 1, *row[2:]) for row in _VALUES]
        _CHANGE.execute(connection, changes[:1], _TooFewError)
        with pytest.raises(_TooFewError):  # `where` does not hold for the first any more
            _CHANGE.execute(connection, changes, _TooFewError)
        with pytest.raises(_TooFewError):
            _CHANGE.execute(connection, [(1, 99, *_VALUES[0][2:])], _TooFewError)
        _CHANGE.execute(connection, [(1, 99, *_VALUES[0][2:])])
        _CHANGE.execute(connection, [], _TooFewError)
        heard = connection.execute(text("SELECT count(*) FROM every_type WHERE asked = 'heard'")).scalar()
    assert heard == len(_VALUES)
    assert _stored(every_type) == sorted(changes)


def test_a_thousand_rows_go_in_one_go(every_type: Store) -> None:
    rows = [
        (number, number % 7, _AT, {"n": number}, number % 2 == 0, number / 3, f"t{number}") for number in range(1000)
    ]
    with every_type.write() as connection:
        _FILL.execute(connection, rows)
        changes = [(row[0], row[1], *row[2:6], f"u{row[0]}") for row in rows]
        _CHANGE.execute(connection, changes, _TooFewError)
    assert _stored(every_type) == changes


def test_what_is_sent_without_waiting_is_done_in_its_order_and_read_in_between(every_type: Store) -> None:
    changes = [(row[0], 1, *row[2:]) for row in _VALUES]
    with every_type.write() as connection, pipelined(connection):
        _FILL.execute(connection, [(number, 1, None, None, None, None, None) for number, *_ in _VALUES])
        _CHANGE.execute(connection, changes[:3], _TooFewError)
        assert _HEARD.run(connection) == [(3,)]
        _CHANGE.execute(connection, changes[3:], _TooFewError)
    assert _stored(every_type) == sorted(changes)


def test_what_touches_too_few_rows_is_told_at_the_end_at_the_latest(every_type: Store) -> None:
    absent = (99, 1, *_VALUES[0][2:])
    with pytest.raises(_TooFewError), every_type.write() as connection, pipelined(connection):
        _FILL.execute(connection, _VALUES)
        _CHANGE.execute(connection, [absent], _TooFewError)
        _FILL.execute(connection, [absent])
    assert _stored(every_type) == []


def test_too_few_rows_are_told_before_the_faults_that_come_of_them(every_type: Store) -> None:
    absent = (99, 1, *_VALUES[0][2:])
    with pytest.raises(_TooFewError), every_type.write() as connection, pipelined(connection):
        _FILL.execute(connection, _VALUES)
        _CHANGE.execute(connection, _VALUES[:1], _TooFewError)
        _CHANGE.execute(connection, [absent], _TooFewError)
        _FILL.execute(connection, _VALUES[:1])
        _CHANGE.execute(connection, _VALUES[1:2], _TooFewError)
    assert _stored(every_type) == []


@pytest.mark.parametrize("after", [0, 3])
def test_a_fault_of_one_undoes_all_that_were_sent_with_it(every_type: Store, after: int) -> None:
    faults = pytest.raises((IntegrityError, sqlite3.IntegrityError))
    with faults, every_type.write() as connection, pipelined(connection):
        _FILL.execute(connection, _VALUES)
        _FILL.execute(connection, _VALUES[:1])
        for number in range(after):
            _FILL.execute(connection, [(100 + number, *_VALUES[0][1:])])
    assert _stored(every_type) == []
    with every_type.write() as connection:
        _FILL.execute(connection, _VALUES)
    assert _stored(every_type) == sorted(_VALUES)


@pytest.mark.postgres
def test_a_server_that_goes_away_in_between_is_a_fault_of_the_store(postgres_store: Store) -> None:
    with pytest.raises(StoreError, match="does not answer"), postgres_store.write() as connection:
        ours = driver_of(connection).info.backend_pid
        with postgres_store.read() as other:
            other.execute(text("SELECT pg_terminate_backend(:ours, 5000)"), {"ours": ours})
        with pipelined(connection):
            RECORD.add_lines(connection, [])
            RUNS.numbers(connection, 1)
    with postgres_store.write() as connection:
        assert len(RUNS.numbers(connection, 2)) == 2


@pytest.mark.parametrize(
    ("given", "kept"),
    [("nul \0 byte", "nul \ufffd byte"), ("half \ud800 a pair", "half ? a pair"), ("\u1ea1", "\u1ea1")],
)
def test_a_text_that_no_database_takes_is_kept_without_what_it_refuses(
    every_type: Store, given: str, kept: str
) -> None:
    with every_type.write() as connection:
        _FILL.execute(connection, [(1, 1, None, None, None, None, given)])
    assert _stored(every_type)[0][6] == kept


# --- runs, their record, their removal ---


def test_calls_of_the_present_step_are_found_for_any_number_of_runs(store: Store, clock: ManualClock) -> None:
    numbers = _insert(store, clock, 1200)
    now = clock.now()
    with store.write() as connection:
        RECORD.add_units(connection, [_unit(number, place, now) for number in numbers for place in range(2)])
        RECORD.add_units(
            connection, [_unit(number, 2, now, kind=UnitKind.CALL, result=[None, number]) for number in numbers[:600]]
        )
        calls = RECORD.calls_since(connection, dict.fromkeys(numbers, 2))
        assert RECORD.calls_since(connection, {}) == {}
    assert list(calls) == numbers[:600]
    assert calls[numbers[0]] == [_unit(numbers[0], 2, now, kind=UnitKind.CALL, result=[None, numbers[0]])]


def test_finished_runs_are_removed_with_all_that_belongs_to_them_once_their_time_is_over(
    store: Store, clock: ManualClock
) -> None:
    numbers = _insert(store, clock, 5)
    *finished, _ = _claim(store, clock, numbers[:4])
    with store.write() as connection:
        RECORD.add_units(connection, [_unit(number, 0, clock.now()) for number in numbers])
        RECORD.add_lines(connection, [LogLine(number, clock.now(), "info", None, "on") for number in numbers])
        RECORD.add_events(connection, ["a", "b"], [RunEvent(numbers[0], "run.completed", {})], clock.now())
        MINE.leave(
            connection,
            [
                _leave(run, RunStatus.COMPLETED, finished_at=clock.now(), expires_at=clock.now() + SECOND * place)
                for place, run in enumerate(finished)
            ],
        )
        assert RUNS.prune(connection, clock.now() + SECOND, limit=1) == 1
        assert RUNS.prune(connection, clock.now() + SECOND, limit=10) == 1
        assert RUNS.prune(connection, clock.now() + SECOND, limit=10) == 0
        left = {run.id for run in RUNS.listed(connection)}
        assert len(left) == 3
        for table in ("run_steps", "run_logs"):
            assert set(connection.execute(text(f"SELECT run_id FROM {table}")).scalars()) == left
        assert connection.execute(text("SELECT count(*) FROM run_events")).scalar() == 2
        assert min(RUNS.numbers(connection, 2)) > max(numbers)


def test_runs_that_should_be_in_the_queue_are_found_page_by_page(store: Store, clock: ManualClock) -> None:
    numbers = _insert(store, clock, 7)
    running, timed, event_only, paused = _claim(store, clock, numbers[:4])
    with store.write() as connection:
        MINE.leave(
            connection,
            [
                _leave(timed, RunStatus.WAITING, not_before=clock.now() + SECOND, on_time="late"),
                _leave(event_only, RunStatus.WAITING, awaits=["approve"]),
                _leave(paused, RunStatus.PAUSED),
            ],
        )
        RUNS.sent(connection, {numbers[5]: "new"})
    expected = sorted([timed.id, *numbers[4:]])
    assert running.id not in expected
    with store.read() as connection:
        later = clock.now() + SECOND
        assert RUNS.in_queue(connection, clock.now(), limit=10) == []
        found: list[int] = []
        while page := RUNS.in_queue(connection, later, after=found[-1] if found else 0, limit=2):
            found += [run.id for run in page]
        among = RUNS.in_queue(connection, later, among=[*numbers[3:6], running.id])
    assert found == expected
    assert {run.id: run.message_id for run in among} == {
        number: "new" if number == numbers[5] else f"m-{number}" for number in numbers[3:6] if number in expected
    }


def test_runs_are_listed_and_counted(store: Store, clock: ManualClock) -> None:
    one, two, other = (
        _insert(store, clock) + _insert(store, clock, group_key="lab") + _insert(store, clock, workflow="b")
    )
    _claim(store, clock, [two])
    with store.read() as connection:
        assert [run.id for run in RUNS.listed(connection)] == [other, two, one]
        assert [run.id for run in RUNS.listed(connection, limit=1)] == [other]
        assert [run.id for run in RUNS.listed(connection, workflow="sample")] == [two, one]
        assert [run.id for run in RUNS.listed(connection, statuses=[RunStatus.RUNNING])] == [two]
        assert [run.id for run in RUNS.listed(connection, group="lab")] == [two]
        assert RUNS.unfinished(connection) == {
            "sample": {RunStatus.QUEUED: 1, RunStatus.RUNNING: 1}, "b": {RunStatus.QUEUED: 1},
        }  # fmt: skip


def test_lines_are_read_on_from_where_one_was(store: Store, clock: ManualClock) -> None:
    (number,) = _insert(store, clock)
    with store.write() as connection:
        RECORD.add_lines(connection, [LogLine(number, clock.now(), "info", "step", f"line {n}") for n in range(5)])
        first = RECORD.lines(connection, number, limit=2)
        rest = RECORD.lines(connection, number, after=first[-1].id)
    assert [line.message for line in first + rest] == [f"line {n}" for n in range(5)]


# --- decisions ---


def test_a_decision_names_the_token_that_it_was_made_for(store: Store, clock: ManualClock) -> None:
    (number,) = _insert(store, clock)
    (claimed,) = _claim(store, clock, [number])
    with store.write() as connection:
        MINE.leave(connection, [_leave(claimed, RunStatus.WAITING, awaits=["approve"])])
    seen = _find(store, number)
    to = {"state": "third", "status": "queued", "data": {}, "sequence": 2}
    with store.write() as connection:
        assert DECISIONS.signalled(connection, seen, to)
        assert not DECISIONS.signalled(connection, seen, to)
        assert DECISIONS.pause(connection, number) is RunStatus.PAUSED
        assert DECISIONS.pause(connection, number) is RunStatus.PAUSED
        assert not DECISIONS.resume(connection, seen, "m")
    with store.write() as connection:
        seen = _find_in(connection, number)
        assert DECISIONS.resume(connection, seen, "m")
        assert DECISIONS.cancel(connection, number, clock.now(), None)
        assert not DECISIONS.cancel(connection, number, clock.now(), None)
        assert DECISIONS.pause(connection, number) is None
        assert not DECISIONS.keep_running(connection, number)


def _find_in(connection: Connection, number: int) -> Run:
    found = RUNS.find(connection, number)
    assert found is not None
    return found


# --- what the databases read for it ---


def test_what_is_asked_all_the_time_is_answered_by_indexes(store: Store, clock: ManualClock) -> None:
    _insert(store, clock, 60)
    with store.write() as connection:
        finished = list(RUNS.numbers(connection, 3000))
        RUNS.insert(connection, [_new(number) for number in finished], [None] * len(finished), clock.now())
        connection.execute(text("UPDATE runs SET status = 'completed' WHERE id >= :first"), {"first": finished[0]})
    with store.write() as connection:
        connection.execute(text("ANALYZE runs"))
    with store.write() as connection, _noted(connection) as asked:
        (run, *_) = MINE.claim(connection, [1, 2, 3], clock.now())
        MINE.holding(connection, {1: 1, 2: 1})
        MINE.asked(connection)
        MINE.owners(connection)
        MINE.lease_ends(connection)
        MINE.renew(connection, {1: 1}, clock.now())
        MINE.advance(connection, [Advance(run.id, run.token, "second", {}, 1, 0)])
        RUNS.in_queue(connection, clock.now() + SECOND, limit=10)
        RUNS.duplicate_of(connection, "sample", "key", clock.now())
        RUNS.listed(connection, workflow="nobody")
        RUNS.prune(connection, clock.now(), limit=10)
    looked = [(statement, given) for statement, given in asked if "runs" in statement]
    assert len(looked) == 11
    with store.read() as connection:
        for statement, given in looked:
            plan = _plan(connection, statement, given)
            assert "SCAN runs USING" in plan or "SCAN runs" not in plan, f"{statement}\n{plan}"
            assert "Seq Scan on runs" not in plan, f"{statement}\n{plan}"


@contextmanager
def _noted(connection: Connection) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are executed meanwhile, with their values: those that go past SQLAlchemy as well."""
    asked: list[tuple[str, Any]] = []
    driver = driver_of(connection)
    if connection.dialect.name == "sqlite":  # which has the values in the text
        driver.set_trace_callback(lambda statement: asked.append((statement, ())))
        yield asked
        driver.set_trace_callback(None)
        return

    class Noting(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **how: Any) -> Any:
            asked.append((query, params))
            return super().execute(query, params, **how)

    usual, driver.cursor_factory = driver.cursor_factory, Noting
    yield asked
    driver.cursor_factory = usual


def _plan(connection: Connection, statement: str, given: Any) -> str:
    sqlite = connection.dialect.name == "sqlite"
    given = given[0] if isinstance(given, list) else given
    explained = connection.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' if sqlite else ''}{statement}", given)
    return "\n".join(str(row[-1]) for row in explained)


def test_another_process_sees_what_was_committed(store: Store, clock: ManualClock) -> None:
    numbers = _insert(store, clock, 2)
    with closing(Store(StoreOptions(store.options.url))) as other:
        assert [run.id for run in _claim(other, clock, numbers[:1], THEIRS)] == numbers[:1]
    assert [run.id for run in _claim(store, clock, numbers)] == numbers[1:]
