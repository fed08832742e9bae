"""The watch over the jobs on a real ledger: what is told, once, and when it is over."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest
from ledger_rows import expect, tick, unrun, write
from sqlalchemy import Connection, event, text

from roundsman.alerts.book import AlertBook
from roundsman.clock import ManualClock
from roundsman.owner import Owner
from roundsman.repositories.alerts import Alert, AlertRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.ticks import TickRepository
from roundsman.scheduling.job import Job, JobContext, Outcome, OutcomeKind
from roundsman.scheduling.ledger import TickState
from roundsman.scheduling.registry import Registry, register
from roundsman.watch.overseer import Overseer
from roundsman.watch.past import Past
from roundsman.watch.silence import Silence, TooNew

MINUTE = timedelta(minutes=1)
FAILED, DONE = OutcomeKind.FAILED, OutcomeKind.DONE
UTC_ZONE = ZoneInfo("UTC")


class Sync(Job):
    name: ClassVar[str] = "sync"
    schedule: ClassVar[str] = "every 1m"
    expects: ClassVar[tuple[str, ...]] = ("messages",)

    def run(self, ctx: JobContext) -> Outcome:
        raise NotImplementedError


class Report(Sync):
    name = "report"
    schedule = "30 2 * * *"
    expects = ()


class Poll(Sync):
    name = "poll"
    expects = ()


class Watching(Sync):
    name = "job_watch"
    expects = ()


class Desk:
    """An overseer that looks when it is told to."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.registry: Registry = register((Sync, Report, Poll, Watching), {}, UTC_ZONE)
        self.book = AlertBook(store, clock, ["console"], lambda: None)
        self.overseer = self.new_overseer()

    def new_overseer(self) -> Overseer:
        return Overseer(self.store, self.book, lambda: self.registry, lambda: UTC_ZONE)

    def look(self) -> dict[str, int]:
        now = self.clock.now()
        counters = self.overseer.look("job_watch", now, now)
        self.write(tick("job_watch", now))
        return {name: count for name, count in counters.items() if count and name != "jobs"}

    def look_again(self) -> dict[str, int]:
        self.wait()
        return self.look()

    def write(self, *rows: dict[str, Any]) -> None:
        write(self.store, rows)

    def ago(self, minutes: float) -> datetime:
        return self.clock.now() - minutes * MINUTE

    def wait(self, minutes: float = 1) -> None:
        self.clock.advance(minutes * MINUTE)

    def alerts(self) -> list[Alert]:
        with self.store.read() as connection:
            return list(reversed(AlertRepository().latest(connection)))

    def told(self) -> list[tuple[str, str]]:
        return [(alert.fingerprint, alert.resolution or "firing") for alert in self.alerts()]


@pytest.fixture
def desk(store: Store, clock: ManualClock) -> Desk:
    return Desk(store, clock)


# --- failures ---


def test_a_job_that_fails_is_told_once_until_it_is_done(desk: Desk) -> None:
    for number in range(1, 6):
        desk.write(tick("sync", desk.clock.now(), FAILED, error=f"ValueError: no sheep on day {number}"))
        assert desk.look() == ({"opened": 1} if number == 3 else {})
        desk.wait()
    (alert,) = desk.alerts()
    assert (alert.fingerprint, alert.since_at) == ("job_failing:sync", desk.ago(5))
    assert (alert.annotations["times"], alert.annotations["last_error"]) == (3, "ValueError: no sheep on day 3")
    desk.write(tick("sync", desk.clock.now()))
    assert desk.look() == {"resolved": 1}
    assert desk.told() == [("job_failing:sync", "the next run was done")]


def test_a_restart_of_the_daemon_repeats_nothing(desk: Desk) -> None:
    desk.write(*(tick("sync", desk.ago(minutes), FAILED, error="KeyError: 1") for minutes in (3, 2, 1)))
    desk.look()
    desk.overseer = desk.new_overseer()
    desk.wait()
    assert desk.look() == {}


def test_the_same_failure_of_several_jobs_is_one_alert(desk: Desk) -> None:
    error = "OperationalError: connection to 10.0.0.7 refused, try {}"
    desk.write(*(tick("sync", desk.ago(each), FAILED, error=error.format(each)) for each in (3, 2, 1)))
    desk.write(tick("poll", desk.ago(1), FAILED, error=error.format(77)))
    desk.look()
    desk.write(tick("report", desk.clock.now(), FAILED, error=error.format(9)))
    desk.wait()
    assert desk.look() == {}
    (alert,) = desk.alerts()
    assert alert.annotations["jobs"] == ["poll", "sync", "report"]
    desk.write(*(tick(job, desk.clock.now()) for job in ("sync", "poll")))
    assert desk.look_again() == {}
    desk.write(tick("report", desk.clock.now()))
    assert desk.look_again() == {"resolved": 1}


def test_a_job_that_hangs_in_its_thread_goes_on_failing(desk: Desk) -> None:
    desk.write(tick("sync", desk.ago(3), OutcomeKind.TIMED_OUT, reason="it took longer than its timeout"))
    desk.write(*(unrun("sync", desk.ago(each), TickState.OVERLAPPED) for each in (2, 1)))
    assert desk.look() == {"opened": 1}
    assert desk.alerts()[0].annotations["outcome"] == "timed_out"


def test_a_job_that_is_switched_off_is_told_of_no_longer(desk: Desk) -> None:
    desk.write(tick("report", desk.ago(1), FAILED, error="KeyError: 1"))
    assert desk.look() == {"opened": 1}
    desk.registry = register((Sync, Report, Watching), {"report": {"enabled": "off"}}, UTC_ZONE)
    assert desk.look_again() == {"resolved": 1}


def test_while_a_job_is_paused_its_alert_stays(desk: Desk) -> None:
    desk.write(tick("report", desk.ago(1), FAILED, error="KeyError: 1"))
    desk.look()
    with desk.store.write() as connection:
        TickRepository(desk.store, Owner.this_process()).set_paused(
            connection, "report", "x", by="Lan", now=desk.clock.now()
        )
    desk.write(*(unrun("report", desk.clock.now() + each * MINUTE, TickState.PAUSED) for each in range(20)))
    assert desk.look_again() == {}


def test_what_is_cancelled_all_the_time_neither_fails_nor_recovers(desk: Desk) -> None:
    desk.write(*(tick("sync", desk.ago(300 + each), FAILED, error="KeyError: 1") for each in (3, 2, 1)))
    desk.look()
    desk.write(*(tick("sync", desk.ago(299 - each), OutcomeKind.CANCELLED) for each in range(299)))
    assert desk.look_again() == {}


# --- runs that take too long ---


def test_a_run_that_takes_far_longer_than_usual_is_told_until_it_ends(desk: Desk) -> None:
    desk.registry = register((Sync, Poll, Watching), {"poll": {"timeout": "1h"}}, UTC_ZONE)
    desk.write(*(tick("poll", desk.ago(100 + each)) for each in range(20)))
    began = desk.clock.now()
    desk.write(tick("poll", began, None))
    desk.wait(5)
    assert desk.look() == {}
    desk.wait()
    assert desk.look() == {"opened": 1}
    alert = desk.alerts()[0]
    assert (alert.fingerprint, alert.since_at) == ("job_overrunning:poll", began)
    assert (alert.annotations["allowed_minutes"], alert.annotations["usual_seconds"]) == (5, 0.0)
    with desk.store.write() as connection:
        connection.execute(text("UPDATE ticks SET outcome = 'done' WHERE job = 'poll'"))
    assert desk.look_again() == {"resolved": 1}


# --- downtimes ---


def _downtime(desk: Desk, minutes: int) -> None:
    """The daemon is down for so long; then it is back, and its first look begins."""
    desk.look()
    begun = desk.clock.now()
    desk.wait(minutes)
    missed = [begun + each * MINUTE for each in range(1, minutes)]
    desk.write(*(unrun(job, each) for job in ("sync", "poll", "job_watch") for each in missed))
    desk.write(unrun("report", begun + MINUTE, stands_for=1))
    desk.overseer = desk.new_overseer()


def test_a_downtime_is_one_alert_until_every_job_is_done_again(desk: Desk) -> None:
    _downtime(desk, 30)
    assert desk.look() == {"opened": 1}
    (alert,) = desk.alerts()
    assert alert.kind == "jobs_missed"
    assert alert.since_at == desk.ago(30)
    assert alert.annotations["missed"][0] == {"job": "report", "ticks": 1}
    assert (alert.annotations["ticks"], alert.annotations["down_minutes"]) == (3 * 29 + 1, 30)
    desk.write(*(tick(job, desk.clock.now()) for job in ("sync", "poll")))
    assert desk.look_again() == {}
    desk.write(tick("report", desk.clock.now()))
    assert desk.look_again() == {"resolved": 1}


def test_a_restart_is_no_downtime_to_be_told(desk: Desk) -> None:
    _downtime(desk, 9)
    assert desk.look() == {}


def test_a_downtime_is_told_once_though_the_look_is_cut_off_after_it(desk: Desk) -> None:
    _downtime(desk, 30)
    now = desk.clock.now()
    desk.overseer.look("job_watch", now, now)
    desk.write(*(tick(job, now) for job in ("sync", "poll", "report")))
    desk.overseer = desk.new_overseer()
    assert desk.look() == {"resolved": 1}
    desk.overseer = desk.new_overseer()
    assert desk.look_again() == {}
    assert len(desk.alerts()) == 1


def test_a_gap_in_which_nothing_was_missed_is_none(desk: Desk) -> None:
    desk.look()
    desk.wait(60)  # the watch itself was paused
    desk.write(*(tick("sync", desk.ago(each)) for each in range(1, 60)))
    assert desk.look() == {}


# --- the dead man ---


def _month(desk: Desk, days: int = 28, until: float = 0) -> None:
    """A sync that brings something every other minute by day."""
    start = desk.clock.now().replace(hour=0) - timedelta(days=days)
    end = desk.ago(until)
    rows = []
    at = start
    while at < end:
        count = 2 if at.minute % 2 and 8 <= at.hour < 22 else 0
        rows.append(tick("sync", at, counters={"messages": count} if count else {}))
        at += MINUTE
    write(desk.store, rows)
    expect(desk.store, ["sync"], start)


def test_runs_that_bring_nothing_where_something_is_usual_are_told_until_it_is_back(
    sqlite_store: Store, clock: ManualClock
) -> None:
    clock.advance(timedelta(hours=6))  # ten in the morning
    _silence_is_told(Desk(sqlite_store, clock))


@pytest.mark.postgres
def test_the_same_on_postgresql(postgres_store: Store, clock: ManualClock) -> None:
    clock.advance(timedelta(hours=6))
    _silence_is_told(Desk(postgres_store, clock))


def _silence_is_told(desk: Desk) -> None:
    _month(desk)
    began = desk.clock.now()
    looks = 0
    while not (found := desk.look()):
        desk.write(tick("sync", desk.clock.now()))
        desk.wait()
        looks += 1
        assert looks < 60
    assert found == {"opened": 1}
    (alert,) = desk.alerts()
    assert (alert.fingerprint, alert.since_at) == ("job_silent:sync.messages", began)
    assert alert.annotations["runs"] == looks
    assert abs(alert.annotations["usual"] - looks) <= 2
    desk.write(tick("sync", desk.clock.now(), FAILED, error="KeyError: 1"))  # says nothing about messages
    desk.wait()
    assert desk.look() == {}
    desk.write(tick("sync", desk.clock.now(), counters={"messages": 1}))
    assert desk.look_again() == {"resolved": 1}
    assert desk.told() == [("job_silent:sync.messages", "there are results again")]


def test_before_two_weeks_it_is_silent_and_after_a_change_of_schedule_too(
    sqlite_store: Store, clock: ManualClock
) -> None:
    clock.advance(timedelta(hours=6))
    desk = Desk(sqlite_store, clock)
    _month(desk, days=16, until=60)
    desk.write(*(tick("sync", desk.ago(each)) for each in range(1, 60)))
    with desk.store.read() as connection:
        past, now = Past("sync", "messages"), desk.clock.now()
        past.read(connection, now - timedelta(days=30), now, None)
        assert isinstance(past.silence(UTC_ZONE), Silence)
        past.read(connection, now - timedelta(days=13), now, None)
        assert isinstance(past.silence(UTC_ZONE), TooNew)


def test_the_past_is_read_in_pieces_and_then_only_what_is_new(sqlite_store: Store, clock: ManualClock) -> None:
    desk = Desk(sqlite_store, clock)
    _month(desk, days=20)
    past, since = Past("sync", "messages"), desk.ago(60 * 24 * 40)
    with desk.store.read() as connection:
        pieces = 0
        while not past.is_read:
            past.read(connection, since, desk.clock.now(), 48)
            pieces += 1
        assert pieces == 11
        with _noted(connection) as asked:
            past.read(connection, since, desk.clock.now(), 48)
        assert len(asked) == 1


# --- what it costs ---


def test_a_look_at_a_large_ledger_reads_along_indexes(store: Store, clock: ManualClock) -> None:
    desk = Desk(store, clock)
    desk.write(*(tick("sync", desk.ago(each)) for each in range(1, 500)))
    expect(store, ["sync"], desk.ago(10_000))
    _downtime(desk, 30)
    with _noted_all(store) as asked:
        desk.look()
    plans = [_plan(store, statement, given) for statement, given in asked if statement.lstrip().startswith("SELECT")]
    assert len(plans) > 5
    for plan in plans:
        assert "SCAN ticks USING" in plan or "SCAN ticks" not in plan, plan
        assert "Seq Scan on ticks" not in plan, plan


@contextmanager
def _noted(connection: Connection) -> Iterator[list[str]]:
    asked: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    yield asked
    event.remove(connection, "before_cursor_execute", note)


@contextmanager
def _noted_all(store: Store) -> Iterator[list[tuple[str, Any]]]:
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    yield asked
    event.remove(store.engine, "before_cursor_execute", note)


def _plan(store: Store, statement: str, given: Any) -> str:
    with store.read() as connection:
        if store.dialect == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))  # a table of a few rows is read as a whole
        explain = "EXPLAIN QUERY PLAN" if store.dialect == "sqlite" else "EXPLAIN"
        return "\n".join(str(line[-1]) for line in connection.exec_driver_sql(f"{explain} {statement}", given))
