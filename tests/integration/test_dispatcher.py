"""From alarms to rows, with a real ledger, real threads and a clock that moves when told to."""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest

from roundsman.clock import ManualClock
from roundsman.errors import StoreError
from roundsman.owner import Owner
from roundsman.repositories.engine import Store
from roundsman.repositories.tick_history import TickRecord
from roundsman.repositories.ticks import TickRepository
from roundsman.scheduling.dispatcher import Dispatcher
from roundsman.scheduling.executor import Executor
from roundsman.scheduling.job import (
    CatchUp,
    Job,
    JobContext,
    Outcome,
    OutcomeKind,
    Overlap,
    StopReason,
)
from roundsman.scheduling.ledger import Claimed, Origin, RunReport, TickEntry, TickState
from roundsman.scheduling.registry import JobFacts, register
from roundsman.scheduling.trigger import parse_trigger

PATIENCE_SECONDS = 10.0
MINUTE = timedelta(minutes=1)


@dataclass
class Alarms:
    """Remembers what it was asked to ring."""

    asked: list[tuple[str, datetime]] = field(default_factory=list)

    def ring_once(self, job: str, at: datetime) -> None:
        self.asked.append((job, at))


class Every(Job):
    """Runs what the test gives it."""

    name: ClassVar[str] = "every"
    schedule: ClassVar[str] = "every 1m"

    def run(self, ctx: JobContext) -> Outcome:
        raise NotImplementedError


Run = Callable[[JobContext], Outcome]


class Bench:
    """A dispatcher that is turned by hand."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.clock = clock
        self.store = store
        self.alarms = Alarms()
        self.ticks = TickRepository(store, Owner.this_process())
        self.executor = Executor(clock, lambda job, report: self.dispatcher.ended(job, report))
        self.dispatcher = Dispatcher(clock, self.ticks, self.executor)

    def assign(self, run: Run, *, at_start: bool = True, **settings: str) -> None:
        facts = _facts(**settings)
        self.dispatcher.assign({facts.name: (facts, run)}, self.alarms, at_start=at_start)

    def turn(self) -> None:
        """One pass, the runs it starts, and the pass that writes their ends."""
        self.dispatcher.run_once()
        assert self.executor.wait_idle(PATIENCE_SECONDS)
        self.dispatcher.run_once()

    def pass_time(self, by: timedelta) -> None:
        self.clock.advance(by)
        self.dispatcher.ring("every")
        self.turn()

    def rows(self) -> list[TickRecord]:
        with self.store.read() as connection:
            return list(reversed(self.ticks.history(connection, "every", limit=1000)))

    def states(self) -> list[str]:
        return [row.state.value for row in self.rows()]


@pytest.fixture
def bench(sqlite_store: Store, clock: ManualClock) -> Bench:
    return Bench(sqlite_store, clock)


def _facts(**settings: str) -> JobFacts:
    return register([Every], {"every": settings}, ZoneInfo("UTC"))["every"]


def _done(_: JobContext) -> Outcome:
    return Outcome.done(seen=1)


def test_a_due_job_runs_once_and_its_row_tells_how_it_ended(bench: Bench) -> None:
    bench.assign(_done)
    bench.pass_time(MINUTE)
    (row,) = bench.rows()
    assert (row.state, row.outcome, row.counters) == (TickState.RAN, OutcomeKind.DONE, {"seen": 1})
    assert row.due_at == bench.clock.now()


def test_ringing_twice_for_one_tick_runs_it_once(bench: Bench) -> None:
    bench.assign(_done)
    bench.pass_time(MINUTE)
    bench.pass_time(timedelta(0))
    assert len(bench.rows()) == 1


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        ("skip", ["suspended"] * 5),
        ("once", ["suspended"] * 4 + ["late"]),
        ("all", ["late"] * 5),
    ],
)
def test_after_the_process_stood_still_the_policy_decides(bench: Bench, catch_up: str, expected: list[str]) -> None:
    bench.assign(_done, catch_up=catch_up)
    bench.pass_time(5 * MINUTE + timedelta(seconds=30))
    for _ in range(5):
        bench.turn()
    assert bench.states() == expected
    assert [row.outcome for row in bench.rows()].count(OutcomeKind.DONE) == expected.count("late")


@pytest.mark.parametrize(("catch_up", "ran"), [("skip", 0), ("once", 1), ("all", 5)])
def test_after_a_downtime_the_policy_decides(sqlite_store: Store, clock: ManualClock, catch_up: str, ran: int) -> None:
    Bench(sqlite_store, clock).assign(_done, catch_up=catch_up)
    clock.advance(5 * MINUTE + timedelta(seconds=30))
    bench = Bench(sqlite_store, clock)
    bench.assign(_done, catch_up=catch_up)
    for _ in range(6):
        bench.turn()
    assert len(bench.rows()) == 5
    assert bench.states().count("missed") == 5 - ran
    assert [row.outcome for row in bench.rows()].count(OutcomeKind.DONE) == ran


def test_a_run_at_the_start_stands_for_the_missed_ones(sqlite_store: Store, clock: ManualClock) -> None:
    Bench(sqlite_store, clock).assign(_done)
    clock.advance(5 * MINUTE + timedelta(seconds=30))
    bench = Bench(sqlite_store, clock)
    bench.assign(_done, run_at_start="on")
    bench.turn()
    assert [(row.origin, row.state.value) for row in bench.rows()] == [
        *[(Origin.SCHEDULE, "missed")] * 5,
        (Origin.START, "ran"),
    ]


def test_a_changed_schedule_owes_the_ticks_of_the_old_one_but_runs_none(
    sqlite_store: Store, clock: ManualClock
) -> None:
    Bench(sqlite_store, clock).assign(_done, catch_up="all")
    clock.advance(3 * MINUTE + timedelta(seconds=30))
    bench = Bench(sqlite_store, clock)
    bench.assign(_done, catch_up="all", schedule="every 1h")
    bench.turn()
    assert bench.states() == ["missed"] * 3


def test_a_tick_during_a_run_is_overlapped_and_a_warning_names_the_elapsed_time(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    begun, release = threading.Event(), threading.Event()

    def slow(_: JobContext) -> Outcome:
        begun.set()
        assert release.wait(PATIENCE_SECONDS)
        return Outcome.done()

    bench.assign(slow)
    bench.clock.advance(MINUTE)
    bench.dispatcher.ring("every")
    bench.dispatcher.run_once()
    assert begun.wait(PATIENCE_SECONDS)
    bench.clock.advance(MINUTE)
    bench.dispatcher.ring("every")
    with caplog.at_level(logging.WARNING):
        bench.dispatcher.run_once()
    release.set()
    bench.turn()
    assert bench.states() == ["ran", "overlapped"]
    assert bench.rows()[1].reason == "still running after 60.0 s"
    assert "every is due again but still running after 60.0 s; this tick is skipped" in caplog.text


def test_with_overlap_queue_one_tick_waits_and_further_ones_do_not(bench: Bench) -> None:
    begun, release = threading.Event(), threading.Event()

    def slow(_: JobContext) -> Outcome:
        begun.set()
        assert release.wait(PATIENCE_SECONDS)
        return Outcome.done()

    bench.assign(slow, overlap="queue")
    for _ in range(3):
        bench.clock.advance(MINUTE)
        bench.dispatcher.ring("every")
        bench.dispatcher.run_once()
        assert begun.wait(PATIENCE_SECONDS)
    release.set()
    bench.turn()
    bench.turn()
    assert bench.states() == ["ran", "ran", "overlapped"]
    assert [row.outcome for row in bench.rows()] == [OutcomeKind.DONE, OutcomeKind.DONE, None]


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3), KeyboardInterrupt(), MemoryError()])
def test_whatever_a_job_raises_is_one_failed_row_and_the_next_tick_runs(bench: Bench, error: BaseException) -> None:
    def raising(_: JobContext) -> Outcome:
        raise error

    bench.assign(raising)
    bench.pass_time(MINUTE)
    bench.pass_time(MINUTE)
    assert [row.outcome for row in bench.rows()] == [OutcomeKind.FAILED] * 2
    assert (bench.rows()[0].error or "").startswith(type(error).__name__)
    assert "in raising" in (bench.rows()[0].traceback or "")


def test_what_people_can_mend_is_a_sentence_without_a_traceback(bench: Bench) -> None:
    def out_of_space(_: JobContext) -> Outcome:
        raise StoreError("The disk is full; free some space.")

    bench.assign(out_of_space)
    bench.pass_time(MINUTE)
    (row,) = bench.rows()
    assert (row.outcome, row.error) == (OutcomeKind.FAILED, "StoreError: The disk is full; free some space.")
    assert row.traceback is None


def test_a_job_that_returns_nonsense_has_failed(bench: Bench) -> None:
    nonsense: Any = lambda _: "done"  # noqa: E731
    bench.assign(nonsense)
    bench.pass_time(MINUTE)
    assert bench.rows()[0].error == "TypeError: run() returned str, not an Outcome"


def test_a_timeout_asks_by_token_and_is_recorded(bench: Bench) -> None:
    begun = threading.Event()

    def patient(ctx: JobContext) -> Outcome:
        begun.set()
        assert ctx.stop.wait(PATIENCE_SECONDS)
        return Outcome.done(half=1)

    bench.assign(patient, timeout="30s")
    bench.clock.advance(MINUTE)
    bench.dispatcher.ring("every")
    wait = bench.dispatcher.run_once()
    assert wait == pytest.approx(30.0)
    assert begun.wait(PATIENCE_SECONDS)
    bench.clock.advance(timedelta(seconds=30))
    bench.turn()
    (row,) = bench.rows()
    assert (row.outcome, row.counters) == (OutcomeKind.TIMED_OUT, {"half": 1})


def test_a_run_that_ignores_its_token_is_abandoned_and_its_job_alone_stays_occupied(bench: Bench) -> None:
    begun, release = threading.Event(), threading.Event()

    def deaf(_: JobContext) -> Outcome:
        begun.set()
        assert release.wait(PATIENCE_SECONDS)
        return Outcome.done()

    bench.assign(deaf, timeout="30s")
    bench.clock.advance(MINUTE)
    bench.dispatcher.ring("every")
    bench.dispatcher.run_once()
    assert begun.wait(PATIENCE_SECONDS)
    for _ in range(2):
        bench.clock.advance(timedelta(seconds=30))
        bench.dispatcher.run_once()
    bench.dispatcher.run_once()
    assert bench.rows()[0].outcome is OutcomeKind.TIMED_OUT
    assert "ignored its stop token" in (bench.rows()[0].reason or "")
    bench.dispatcher.ring("every")
    bench.dispatcher.run_once()
    assert bench.states() == ["ran", "overlapped"]
    release.set()


def test_a_snooze_rings_once_more_and_that_run_is_a_row_of_its_own(bench: Bench) -> None:
    answers = [Outcome.snoozed(timedelta(seconds=20), "the page is busy"), Outcome.done()]
    bench.assign(lambda _: answers.pop(0))
    bench.pass_time(MINUTE)
    ((job, at),) = bench.alarms.asked
    assert (job, at) == ("every", bench.clock.now() + timedelta(seconds=20))
    bench.clock.advance(timedelta(seconds=20))
    bench.dispatcher.ring(job, at, Origin.SNOOZE)
    bench.turn()
    assert [(row.origin.value, row.outcome and row.outcome.value) for row in bench.rows()] == [
        ("schedule", "snoozed"),
        ("snooze", "done"),
    ]


def test_a_snooze_survives_a_restart(sqlite_store: Store, clock: ManualClock) -> None:
    before = Bench(sqlite_store, clock)
    before.assign(lambda _: Outcome.snoozed(timedelta(hours=2), "later"))
    before.pass_time(MINUTE)
    due = clock.now() + timedelta(hours=2)
    after = Bench(sqlite_store, clock)
    after.assign(_done)
    assert after.alarms.asked == [("every", due)]


def test_an_interval_goes_on_after_the_clock_was_set_back(bench: Bench) -> None:
    bench.assign(_done)
    for _ in range(3):
        bench.pass_time(MINUTE)
    bench.clock.jump(-timedelta(hours=1))
    bench.dispatcher.forget_the_future()
    bench.pass_time(MINUTE)
    bench.pass_time(MINUTE)
    assert bench.states().count("ran") == 5


def test_a_start_with_a_clock_that_had_been_years_ahead_does_not_silence_a_job(
    sqlite_store: Store, clock: ManualClock
) -> None:
    clock.jump(timedelta(days=3650))
    ahead = Bench(sqlite_store, clock)
    ahead.assign(_done, schedule="*/5 * * * *")
    ahead.pass_time(5 * MINUTE)
    clock.jump(-timedelta(days=3650))
    bench = Bench(sqlite_store, clock)
    bench.assign(_done, schedule="*/5 * * * *")
    bench.pass_time(5 * MINUTE)
    assert bench.states().count("ran") == 2


def test_a_nightly_job_is_not_run_twice_when_the_clock_is_set_back_over_it(bench: Bench) -> None:
    bench.assign(_done, schedule="5 4 * * *")
    bench.pass_time(6 * MINUTE)
    bench.clock.jump(-timedelta(minutes=4))
    bench.dispatcher.forget_the_future()
    bench.pass_time(6 * MINUTE)
    assert [row.outcome for row in bench.rows()] == [OutcomeKind.DONE]


def test_halting_interrupts_what_has_not_begun_and_the_next_start_takes_it_again(
    sqlite_store: Store, clock: ManualClock
) -> None:
    bench = Bench(sqlite_store, clock)
    begun, release = threading.Event(), threading.Event()

    def slow(ctx: JobContext) -> Outcome:
        begun.set()
        ctx.stop.wait(PATIENCE_SECONDS)
        ctx.stop.check()
        return Outcome.done()

    bench.assign(slow, catch_up="all")
    bench.clock.advance(2 * MINUTE)
    bench.dispatcher.ring("every")
    bench.dispatcher.run_once()
    assert begun.wait(PATIENCE_SECONDS)
    bench.dispatcher.halt()
    bench.executor.stop_all(StopReason.SHUTDOWN)
    release.set()
    bench.turn()
    assert [row.outcome for row in bench.rows()] == [OutcomeKind.INTERRUPTED] * 2
    after = Bench(sqlite_store, clock)
    after.assign(_done, catch_up="all")
    after.turn()
    after.turn()
    assert [(row.outcome, row.attempt) for row in after.rows()] == [(OutcomeKind.DONE, 2)] * 2


class _Away(TickRepository):
    """A ledger whose store goes away on demand."""

    away = False

    def commit(self, entries: Any, reports: Any, now: datetime) -> list[Claimed]:
        if self.away:
            raise StoreError("The database x is locked by another program; close that or wait, then try again.")
        return super().commit(entries, reports, now)


def test_while_the_store_is_away_nothing_is_forgotten(sqlite_store: Store, clock: ManualClock) -> None:
    bench = Bench(sqlite_store, clock)
    ledger = _Away(sqlite_store, Owner.this_process())
    bench.dispatcher = Dispatcher(clock, ledger, bench.executor)
    bench.assign(_done)
    ledger.away = True
    for _ in range(3):
        bench.pass_time(MINUTE)
    assert bench.rows() == []
    assert "locked" in (bench.dispatcher.store_fault or "")
    ledger.away = False
    for _ in range(4):
        bench.turn()
    assert len(bench.rows()) == 3
    assert all(row.outcome is OutcomeKind.DONE for row in bench.rows())
    assert bench.dispatcher.store_fault is None


def test_a_probe_is_answered_only_when_the_store_serves(sqlite_store: Store, clock: ManualClock) -> None:
    bench = Bench(sqlite_store, clock)
    ledger = _Away(sqlite_store, Owner.this_process())
    bench.dispatcher = Dispatcher(clock, ledger, bench.executor)
    bench.assign(_done)
    bench.dispatcher.start()
    assert bench.dispatcher.probe(PATIENCE_SECONDS)
    bench.dispatcher.stop()
    assert not bench.dispatcher.alive()


def test_reports_of_another_process_do_not_disturb(bench: Bench) -> None:
    report = RunReport(999, bench.clock.now(), bench.clock.now(), OutcomeKind.DONE)
    bench.assign(_done)
    bench.dispatcher.ended("every", report)
    bench.turn()
    assert bench.rows() == []


def test_a_job_that_a_reload_switches_off_gives_back_what_it_had_claimed(bench: Bench) -> None:
    begun, release = threading.Event(), threading.Event()

    def slow(_: JobContext) -> Outcome:
        begun.set()
        assert release.wait(PATIENCE_SECONDS)
        return Outcome.done()

    bench.assign(slow, catch_up="all")
    bench.clock.advance(2 * MINUTE)
    bench.dispatcher.ring("every")
    bench.dispatcher.run_once()
    assert begun.wait(PATIENCE_SECONDS)
    bench.dispatcher.assign({}, bench.alarms, at_start=False)
    release.set()
    bench.turn()
    assert [row.outcome for row in bench.rows()] == [OutcomeKind.DONE, OutcomeKind.INTERRUPTED]


def test_what_is_won_while_stopping_is_given_back_in_the_same_pass(bench: Bench) -> None:
    bench.assign(_done)
    bench.clock.advance(MINUTE)
    bench.dispatcher.ring("every")
    bench.dispatcher._entries.append(TickEntry("every", bench.clock.now(), TickState.RAN))
    bench.dispatcher.halt()
    bench.dispatcher.run_once()
    assert [row.outcome for row in bench.rows()] == [OutcomeKind.INTERRUPTED]


def test_the_time_while_a_job_was_switched_off_is_nobodys(sqlite_store: Store, clock: ManualClock) -> None:
    Bench(sqlite_store, clock).assign(_done)
    off = Bench(sqlite_store, clock)
    off.ticks.retire(["every"])
    clock.advance(timedelta(days=7))
    bench = Bench(sqlite_store, clock)
    bench.assign(_done)
    bench.turn()
    assert bench.rows() == []
    bench.pass_time(MINUTE)
    assert bench.states() == ["ran"]


def test_a_clock_that_is_a_little_behind_takes_no_tick_from_the_other_daemon(
    sqlite_store: Store, clock: ManualClock
) -> None:
    ahead = Bench(sqlite_store, clock)
    ahead.assign(_done)
    ahead.pass_time(MINUTE)
    clock.jump(-timedelta(seconds=5))
    behind = Bench(sqlite_store, clock)
    behind.assign(_done)
    behind.pass_time(timedelta(seconds=6))
    assert behind.states() == ["ran"]


def test_a_month_of_a_busy_schedule_with_restarts_passes_in_seconds(sqlite_store: Store, clock: ManualClock) -> None:
    """Every expected tick of the month has its row, whatever the daemon did meanwhile."""
    begin = clock.now()
    rng = random.Random(20260303)
    bench = Bench(sqlite_store, clock)
    bench.assign(_done, schedule="every 1h")
    while clock.now() < begin + timedelta(days=30):
        until_next = timedelta(hours=1) - (clock.now() - begin) % timedelta(hours=1)
        bench.pass_time(rng.choice([until_next, until_next, timedelta(minutes=31), timedelta(hours=10)]))
        if rng.random() < 0.1:
            clock.advance(timedelta(hours=rng.choice([1, 30])))
            bench = Bench(sqlite_store, clock)
            bench.assign(_done, schedule="every 1h")
            bench.turn()
    expected = list(parse_trigger("every 1h", ZoneInfo("UTC")).between(begin, clock.now()))
    assert [row.due_at for row in bench.rows() if row.origin is Origin.SCHEDULE] == expected
    assert {"ran", "late", "missed", "suspended"} == set(bench.states())


def test_the_overlap_policy_is_read_from_the_settings() -> None:
    assert _facts(overlap="queue").overlap is Overlap.QUEUE
    assert _facts(catch_up="all").catch_up is CatchUp.ALL
    assert TickEntry("every", datetime.now(tz=ZoneInfo("UTC")), TickState.LATE).runs
