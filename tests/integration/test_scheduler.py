"""APScheduler as the bell: it rings on time, with jitter inside its bound, and once after a gap."""

import queue
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.scheduling.job import Job, JobContext, Outcome
from roundsman.scheduling.ledger import Origin
from roundsman.scheduling.registry import JobFacts, register
from roundsman.scheduling.scheduler import Scheduler, _Alarm
from roundsman.scheduling.trigger import parse_trigger

PATIENCE_SECONDS = 10.0
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


class Often(Job):
    """Due five times a second."""

    name: ClassVar[str] = "often"
    schedule: ClassVar[str] = "every 200ms"

    def run(self, ctx: JobContext) -> Outcome:
        return Outcome.done()


class Bell:
    """Collects what rang, and when."""

    def __init__(self) -> None:
        self.rung: queue.SimpleQueue[tuple[str, datetime | None, Origin, datetime]] = queue.SimpleQueue()

    def __call__(self, job: str, due_at: datetime | None, origin: Origin) -> None:
        self.rung.put((job, due_at, origin, datetime.now(UTC)))

    def next(self) -> tuple[str, datetime | None, Origin, datetime]:
        return self.rung.get(timeout=PATIENCE_SECONDS)


def _facts(**settings: str) -> JobFacts:
    return register([Often], {"often": settings}, ZoneInfo("UTC"))["often"]


def test_it_rings_at_every_tick_and_never_after_stop() -> None:
    bell = Bell()
    scheduler = Scheduler(bell)
    scheduler.schedule([_facts()])
    scheduler.start()
    assert [bell.next()[:3] for _ in range(4)] == [("often", None, Origin.SCHEDULE)] * 4
    scheduler.stop()
    while not bell.rung.empty():
        bell.next()
    assert not scheduler.probe(0.5)
    assert bell.rung.empty()
    assert not scheduler.alive()
    scheduler.stop()


def test_a_one_off_alarm_rings_beside_the_schedule() -> None:
    bell = Bell()
    scheduler = Scheduler(bell)
    scheduler.schedule([_facts(schedule="every 1d")])
    at = datetime.now(UTC)
    scheduler.start()
    scheduler.ring_once("often", at)
    assert bell.next()[:3] == ("often", at, Origin.SNOOZE)
    scheduler.stop()


def test_a_new_schedule_replaces_the_old_one() -> None:
    bell = Bell()
    scheduler = Scheduler(bell)
    scheduler.schedule([_facts(schedule="every 1d")])
    scheduler.start()
    scheduler.schedule([_facts()])
    assert bell.next()[0] == "often"
    scheduler.schedule([])
    assert scheduler.probe(PATIENCE_SECONDS)
    scheduler.stop()


def test_a_probe_tells_whether_the_loop_turns() -> None:
    scheduler = Scheduler(Bell())
    scheduler.start()
    assert scheduler.probe(PATIENCE_SECONDS)
    scheduler.stop()
    assert not scheduler.probe(0.01)


@given(
    st.sampled_from(["every 7s", "every 1m", "*/3 * * * *"]),
    st.integers(0, 50_000),
    st.sampled_from([0, 1, 30, 90]),
)
def test_walking_the_alarms_misses_no_tick_and_keeps_jitter_in_bounds(text: str, start: int, jitter_s: int) -> None:
    trigger, jitter = parse_trigger(text, ZoneInfo("UTC")), timedelta(seconds=jitter_s)
    alarm = _Alarm("often", trigger, jitter)
    begin = NOON + timedelta(seconds=start)
    fired = alarm.get_next_fire_time(None, begin)
    dues = []
    for _ in range(20):
        assert fired is not None
        assert alarm.get_next_fire_time(fired, fired) == alarm.get_next_fire_time(fired, fired)
        due = alarm._due_of(fired)
        assert timedelta(0) <= fired - due <= jitter
        dues.append(due)
        fired = alarm.get_next_fire_time(fired, fired)
    expected = list(trigger.between(begin, dues[-1]))
    assert dues == expected


@pytest.mark.parametrize("jitter_s", [0, 20])
def test_after_a_gap_it_rings_once_and_not_for_each_tick(jitter_s: int) -> None:
    alarm = _Alarm("often", parse_trigger("every 1m", ZoneInfo("UTC")), timedelta(seconds=jitter_s))
    first = alarm.get_next_fire_time(None, NOON)
    assert first is not None
    after = NOON + timedelta(days=3)
    following = alarm.get_next_fire_time(first, after)
    assert following is not None
    assert following > after - timedelta(seconds=jitter_s)
