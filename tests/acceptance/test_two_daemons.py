"""Two real daemons on one store: each tick is run once, whatever happens to one of them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from daemon_process import DaemonProcess, Place, assert_every_tick_has_one_row, executions, until

from roundsman.scheduling.job import OutcomeKind

pytestmark = pytest.mark.xdist_group("daemon-pair")

JOBS = ("quick", "skipping", "catching_up_all")
TOGETHER = 15
"""Runs of `quick` for which both are left alone: three seconds."""

STANDSTILL_S = 3.0


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    return Place(tmp_path, url, jobs=",".join(JOBS))


@contextmanager
def two_daemons(place: Place, **settings: str) -> Iterator[tuple[DaemonProcess, DaemonProcess]]:
    """Started at once, on a store that does not exist yet."""
    with place.start(**settings) as one, place.start(**settings) as other:
        yield one.ready(), other.ready()


def assert_each_tick_once(place: Place) -> None:
    for job in JOBS:
        rows = place.rows(job)
        assert_every_tick_has_one_row(rows, "every 200ms")
        done = {row.due_at for row in rows if row.outcome is OutcomeKind.DONE}
        told = executions(place, job)
        assert set(told.values()) == {1}
        assert done == told.keys()


def pids_of(place: Place) -> set[int]:
    return {int(line.split()[3]) for line in place.notes()}


def test_two_daemons_run_each_tick_once(place: Place) -> None:
    with two_daemons(place) as (one, other):
        place.runs("quick", TOGETHER)
        assert one.stop() == 0
        assert other.stop() == 0
        assert "Traceback" not in one.log() + other.log()
    assert_each_tick_once(place)
    assert pids_of(place) <= {one.pid, other.pid}


@pytest.mark.slow
def test_when_one_is_killed_the_other_goes_on_and_takes_over_its_run(place: Place) -> None:
    place.jobs += ",slow"
    with place.start() as one:
        one.ready()
        one.logged("slow work begins")
        # A short watchdog makes short rounds: a second instead of ten.
        with place.start(JOB_SLOW_RUN_AT_START="off", TRIAL_SECONDS="0", WATCHDOG_USEC="3000000").ready() as other:
            one.kill()
            place.runs("quick", TOGETHER)
            other.logged("slow was running when its daemon died; marked interrupted")
            until(lambda: place.row("slow").outcome is OutcomeKind.DONE, "the run that was taken over")
            assert other.stop() == 0
    assert place.row("slow").attempt == 2
    for job in JOBS:
        assert_every_tick_has_one_row(place.rows(job), "every 200ms")
        told = executions(place, job)
        # The kill may have hit a run between its line and its row: that one, taken again, may be told twice.
        assert sum(count - 1 for count in told.values()) <= 1


@pytest.mark.slow
def test_when_one_stands_still_nothing_is_run_twice(place: Place) -> None:
    with two_daemons(place) as (one, other):
        place.runs("quick", 2)
        with one.frozen():
            # On SQLite it may stand still as the writer, and then nobody else can write; what counts is the end.
            time.sleep(STANDSTILL_S)
        place.runs("quick", 2)
        assert one.stop() == 0
        assert other.stop() == 0
    assert_each_tick_once(place)
