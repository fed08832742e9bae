"""The ledger over both databases: a slot is claimed once, ends are written by their owner, the rest is remembered."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, event

from roundsman.clock import ManualClock
from roundsman.errors import StoreError
from roundsman.owner import Owner
from roundsman.repositories.daemons import STALE_AFTER, DaemonRecord, DaemonRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.tick_history import TickRecord
from roundsman.repositories.ticks import MOST_ATTEMPTS, TickRepository
from roundsman.scheduling.job import OutcomeKind
from roundsman.scheduling.ledger import Claimed, Origin, RunReport, TickEntry, TickState

ME = Owner.this_process()
ELSEWHERE = Owner("other-host", "0123456789ab+4026531836", 77, 1)


def _entry(due_at: datetime, job: str = "job", state: TickState = TickState.RAN, **more: str) -> TickEntry:
    return TickEntry(job, due_at, state, **more)  # type: ignore[arg-type] # only `reason` is given


def _end(tick_id: int, now: datetime, outcome: OutcomeKind = OutcomeKind.DONE, **more: object) -> RunReport:
    return RunReport(tick_id, now, now + timedelta(seconds=2), outcome, **more)  # type: ignore[arg-type] # test values


def _rows(store: Store, job: str | None = "job") -> list[TickRecord]:
    with store.read() as connection:
        return TickRepository(store, ME).history(connection, job, limit=10_000)


def _dead() -> Owner:
    """A process of this machine that is gone."""
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return replace(ME, pid=int(child.stdout), started=1)


def test_a_slot_is_claimed_by_exactly_one_process(store: Store, clock: ManualClock) -> None:
    mine, theirs = TickRepository(store, ME), TickRepository(store, ELSEWHERE)
    entries = [_entry(clock.now()), _entry(clock.now() + timedelta(seconds=1))]
    assert [won.entry for won in mine.commit(entries, [], clock.now())] == entries
    assert theirs.commit(entries, [], clock.now()) == []
    assert len(_rows(store)) == 2


def test_claims_come_back_in_the_order_they_were_made(store: Store, clock: ManualClock) -> None:
    entries = [_entry(clock.now() + timedelta(seconds=index % 7), f"job_{index}") for index in range(1200)]
    won = TickRepository(store, ME).commit(entries, [], clock.now())
    assert [each.entry for each in won] == entries
    assert len({each.tick_id for each in won}) == 1200


def test_what_a_commit_won_whose_answer_was_lost_is_won_by_its_repetition(store: Store, clock: ManualClock) -> None:
    ticks, entries = TickRepository(store, ME), [_entry(clock.now())]
    event.listen(store.engine, "commit", _commit_and_lose_the_answer, once=True)
    with pytest.raises(StoreError):
        ticks.commit(entries, [], clock.now())
    assert len(_rows(store)) == 1
    assert [won.entry for won in ticks.commit(entries, [], clock.now())] == entries
    assert ticks.commit(entries, [], clock.now()) == []


def _commit_and_lose_the_answer(connection: Connection) -> None:
    driver = connection.connection.dbapi_connection
    assert driver is not None
    driver.commit()
    raise StoreError("The database does not answer.")


def test_a_tick_that_did_not_run_is_a_row_and_no_claim(store: Store, clock: ManualClock) -> None:
    missed = _entry(clock.now(), state=TickState.MISSED, reason="no daemon was running")
    assert TickRepository(store, ME).commit([missed], [], clock.now()) == []
    (row,) = _rows(store)
    assert (row.state, row.reason, row.outcome) == (TickState.MISSED, "no daemon was running", None)


def test_an_end_is_written_with_counters_error_and_traceback(store: Store, clock: ManualClock) -> None:
    ticks = TickRepository(store, ME)
    (won,) = ticks.commit([_entry(clock.now())], [], clock.now())
    report = _end(won.tick_id, clock.now(), OutcomeKind.FAILED, counters={"seen": 3}, error="E", traceback="T\nU")
    ticks.commit([], [report], clock.now())
    (row,) = _rows(store)
    assert (row.outcome, row.counters, row.error, row.traceback) == (OutcomeKind.FAILED, {"seen": 3}, "E", "T\nU")
    assert row.duration == timedelta(seconds=2)


def test_a_late_end_of_an_owner_that_was_given_up_changes_nothing(store: Store, clock: ManualClock) -> None:
    theirs, mine = TickRepository(store, ELSEWHERE), TickRepository(store, ME)
    (won,) = theirs.commit([_entry(clock.now())], [], clock.now())
    with store.write() as connection:
        DaemonRepository().beat(
            connection, DaemonRecord(str(ELSEWHERE), "other-host", 77, "0", clock.now(), clock.now(), "")
        )
    clock.advance(STALE_AFTER + timedelta(seconds=1))
    assert mine.interrupt_dead(clock.now()) == ["job"]
    theirs.commit([], [_end(won.tick_id, clock.now())], clock.now())
    assert _rows(store)[0].outcome is OutcomeKind.INTERRUPTED


def test_the_runs_of_a_dead_process_are_interrupted_at_once_and_of_a_living_one_never(
    store: Store, clock: ManualClock
) -> None:
    TickRepository(store, _dead()).commit([_entry(clock.now(), "orphan")], [], clock.now())
    TickRepository(store, ME).commit([_entry(clock.now(), "mine")], [], clock.now())
    TickRepository(store, ELSEWHERE).commit([_entry(clock.now(), "theirs")], [], clock.now())
    assert TickRepository(store, ME).interrupt_dead(clock.now()) == ["orphan"]
    assert TickRepository(store, ME).interrupt_dead(clock.now()) == []


def test_an_interrupted_run_is_taken_again_by_one_process_only(store: Store, clock: ManualClock) -> None:
    TickRepository(store, _dead()).commit([_entry(clock.now())], [], clock.now())
    mine, theirs = TickRepository(store, ME), TickRepository(store, ELSEWHERE)
    mine.interrupt_dead(clock.now())
    mine.expect("job", "every 1m", clock.now())
    (cut_off,) = mine.expect("job", "every 1m", clock.now()).interrupted
    assert mine.reclaim(cut_off, clock.now()) is not None
    assert theirs.reclaim(cut_off, clock.now()) is None
    (row,) = _rows(store)
    assert (row.attempt, row.outcome, row.state) == (2, None, TickState.LATE)


def test_a_run_that_keeps_killing_its_daemon_is_not_taken_for_ever(store: Store, clock: ManualClock) -> None:
    mine = TickRepository(store, ME)
    mine.expect("job", "every 1m", clock.now())
    mine.commit([_entry(clock.now())], [], clock.now())
    for _ in range(MOST_ATTEMPTS - 1):
        _interrupt_all(store, clock.now())
        (cut_off,) = mine.expect("job", "every 1m", clock.now()).interrupted
        assert mine.reclaim(cut_off, clock.now()) is not None
    _interrupt_all(store, clock.now())
    assert list(mine.expect("job", "every 1m", clock.now()).interrupted) == []


def test_a_newer_run_settles_an_interrupted_one(store: Store, clock: ManualClock) -> None:
    mine = TickRepository(store, ME)
    mine.expect("job", "every 1m", clock.now())
    mine.commit([_entry(clock.now())], [], clock.now())
    _interrupt_all(store, clock.now())
    clock.advance(timedelta(minutes=1))
    (won,) = mine.commit([_entry(clock.now())], [], clock.now())
    mine.commit([], [_end(won.tick_id, clock.now())], clock.now())
    assert list(mine.expect("job", "every 1m", clock.now()).interrupted) == []


def test_ticks_are_expected_from_the_first_sight_of_a_job(store: Store, clock: ManualClock) -> None:
    ticks = TickRepository(store, ME)
    first = clock.now()
    assert ticks.expect("job", "every 1m", first).since == first
    clock.advance(timedelta(hours=1))
    again = ticks.expect("job", "every 1m", clock.now())
    assert (again.since, again.previous_schedule) == (first, None)
    ticks.commit([_entry(clock.now())], [], clock.now())
    assert ticks.expect("job", "every 1m", clock.now()).since == clock.now()


def test_a_changed_schedule_is_told_once_with_the_old_one(store: Store, clock: ManualClock) -> None:
    ticks = TickRepository(store, ME)
    ticks.expect("job", "every 1m", clock.now())
    clock.advance(timedelta(hours=1))
    assert ticks.expect("job", "every 2m", clock.now()).previous_schedule == "every 1m"
    again = ticks.expect("job", "every 2m", clock.now())
    assert (again.previous_schedule, again.since) == (None, clock.now())


def test_a_manual_run_moves_no_expectation(store: Store, clock: ManualClock) -> None:
    ticks = TickRepository(store, ME)
    first = clock.now()
    ticks.expect("job", "every 1m", first)
    clock.advance(timedelta(minutes=5))
    ticks.commit([TickEntry("job", clock.now(), TickState.RAN, Origin.MANUAL)], [], clock.now())
    assert ticks.expect("job", "every 1m", clock.now()).since == first


def test_a_paused_job_gets_rows_but_no_runs_and_manual_runs_pass(store: Store, clock: ManualClock) -> None:
    ticks = TickRepository(store, ME)
    with store.write() as connection:
        assert ticks.set_paused(connection, "job", "every 1m", by="lan", now=clock.now())
        assert not ticks.set_paused(connection, "job", "every 1m", by="minh", now=clock.now())
    assert ticks.commit([_entry(clock.now())], [], clock.now()) == []
    (row,) = _rows(store)
    assert (row.state, row.reason) == (TickState.PAUSED, "paused by lan")
    clock.advance(timedelta(seconds=1))
    assert ticks.commit([TickEntry("job", clock.now(), TickState.RAN, Origin.MANUAL)], [], clock.now())
    with store.write() as connection:
        assert ticks.set_paused(connection, "job", "every 1m", by=None, now=clock.now())
    clock.advance(timedelta(seconds=1))
    assert ticks.commit([_entry(clock.now())], [], clock.now())


def test_a_job_that_runs_in_another_process_is_overlapped_until_that_run_ends(store: Store, clock: ManualClock) -> None:
    mine, theirs = TickRepository(store, ME), TickRepository(store, ELSEWHERE)
    (won,) = theirs.commit([_entry(clock.now())], [], clock.now())
    clock.advance(timedelta(minutes=1))
    assert mine.commit([_entry(clock.now()), _entry(clock.now(), "another")], [], clock.now()) != []
    (newest, _) = _rows(store)
    assert (newest.state, newest.reason) == (TickState.OVERLAPPED, "still running in process 77 on other-host")
    theirs.commit([], [_end(won.tick_id, clock.now())], clock.now())
    clock.advance(timedelta(minutes=1))
    assert [each.entry.job for each in mine.commit([_entry(clock.now())], [], clock.now())] == ["job"]


def test_slots_used_up_by_a_wrong_clock_become_free(store: Store, clock: ManualClock) -> None:
    ticks = TickRepository(store, ME)
    ahead = [clock.now() + timedelta(minutes=index) for index in range(5)]
    ticks.commit([_entry(due_at) for due_at in ahead], [], clock.now())
    assert ticks.supersede("job", clock.now() + timedelta(minutes=1)) == 3
    assert len(ticks.commit([_entry(due_at) for due_at in ahead], [], clock.now())) == 3
    assert len(_rows(store)) == 8


def test_a_snooze_is_remembered_until_the_next_run(store: Store, clock: ManualClock) -> None:
    ticks = TickRepository(store, ME)
    ticks.expect("job", "every 1h", clock.now())
    (won,) = ticks.commit([_entry(clock.now())], [], clock.now())
    again_at = clock.now() + timedelta(minutes=7)
    ticks.commit([], [_end(won.tick_id, clock.now(), OutcomeKind.SNOOZED, again_at=again_at)], clock.now())
    assert ticks.expect("job", "every 1h", clock.now()).snoozed_until == again_at
    (won,) = ticks.commit([TickEntry("job", again_at, TickState.RAN, Origin.SNOOZE)], [], again_at)
    ticks.commit([], [_end(won.tick_id, again_at)], again_at)
    assert ticks.expect("job", "every 1h", again_at).snoozed_until is None


@pytest.mark.parametrize("keep", [0, 3])
def test_old_rows_are_pruned_but_never_the_newest_nor_a_running_one(
    store: Store, clock: ManualClock, keep: int
) -> None:
    ticks = TickRepository(store, ME)
    (running,) = ticks.commit([_entry(clock.now() - timedelta(days=40), "busy")], [], clock.now())
    old = [clock.now() - timedelta(days=30 - index) for index in range(10)]
    won = ticks.commit([_entry(due_at) for due_at in old], [], clock.now())
    ticks.commit([], [_end(each.tick_id, clock.now()) for each in won], clock.now())
    before = old[-keep] if keep else clock.now()
    with store.write() as connection:
        pruned = ticks.prune(connection, before, limit=1000)
    assert pruned == (10 - keep if keep else 9)
    assert {row.due_at for row in _rows(store)} == set(old[-keep:] if keep else old[-1:])
    assert [row.id for row in _rows(store, "busy")] == [running.tick_id]


def test_a_claim_outlives_the_process_that_was_killed_right_after_it(store: Store, clock: ManualClock) -> None:
    """The claim is on disk when commit returns: SIGKILL cannot take it back."""
    url = store.options.url.render_as_string(hide_password=False)
    program = (
        "import os, sys\n"
        "from datetime import datetime\n"
        "from roundsman.owner import Owner\n"
        "from roundsman.repositories.engine import Store, StoreOptions, parse_url\n"
        "from roundsman.repositories.ticks import TickRepository\n"
        "from roundsman.scheduling.ledger import TickEntry, TickState\n"
        "store = Store(StoreOptions(parse_url(sys.argv[1])))\n"
        "due = datetime.fromisoformat(sys.argv[2])\n"
        "TickRepository(store, Owner.this_process()).commit([TickEntry('job', due, TickState.RAN)], [], due)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    child = subprocess.run([sys.executable, "-c", program, url, clock.now().isoformat()], check=False, env=os.environ)
    assert child.returncode == -9
    assert TickRepository(store, ME).interrupt_dead(clock.now()) == ["job"]


def _interrupt_all(store: Store, now: datetime) -> None:
    ticks = TickRepository(store, ME)
    with store.read() as connection:
        running = ticks.running(connection)
    ticks.commit([], [_end(row.id, now, OutcomeKind.INTERRUPTED) for row in running], now)


def test_a_claim_knows_its_entry(store: Store, clock: ManualClock) -> None:
    (won,) = TickRepository(store, ME).commit([_entry(clock.now())], [], clock.now())
    assert won == Claimed(won.tick_id, _entry(clock.now()))
