"""What one job does to itself touches no other: hanging, exiting, flooding memory, vanishing."""

import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from daemon_process import Place, alive, assert_every_tick_has_one_row, states, until
from trial_daemon import TOKEN

from roundsman.repositories.tick_history import TickRecord
from roundsman.scheduling.job import OutcomeKind

pytestmark = pytest.mark.xdist_group("daemon-isolation")

ORPHANS_LIVE_S = 10.0
"""Two on an idle machine."""


def answer_of_child(tmp_path: Path, answer: str) -> tuple[TickRecord, str]:
    """The row of a job that answers so from its own process, and the log."""
    place = Place(tmp_path, jobs="answering", settings={"TRIAL_ANSWER": answer})
    with place.start().ready() as daemon:
        row = place.ended("answering")
        assert daemon.stop() == 0
        return row, daemon.log()


def test_a_hanging_isolated_run_ends_at_its_timeout_with_all_that_it_started(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="hanging,quick", settings={"JOB_HANGING_TIMEOUT": "5s"})
    with place.start().ready() as daemon:
        until(lambda: "complete" in place.notes(), "the family of the hanging job")
        pids = place.pids()
        assert len(pids) == 5
        assert all(map(alive, pids))
        row = place.ended("hanging")
        assert row.outcome is OutcomeKind.TIMED_OUT
        assert row.reason == "it took longer than its timeout"
        until(lambda: not any(map(alive, pids)), "the end of the family")
        place.runs("quick", 3)
        assert daemon.stop() == 0
    seen = states(place.rows("quick"))
    assert seen["ran"] + seen["late"] > sum(seen.values()) / 2  # a busy machine may skip some, a hanging job none
    assert_every_tick_has_one_row(place.rows("quick"), "every 200ms")


def test_a_flood_of_memory_fails_alone_and_says_so(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="hungry,quick")
    with place.start().ready() as daemon:
        row = place.ended("hungry")
        assert row.outcome is OutcomeKind.FAILED
        assert row.error == "MemoryError: it needed more than its limit of 512 MiB"
        assert "trial_daemon.py" in (row.traceback or "")
        place.runs("quick", 3)
        assert daemon.stop() == 0
        assert row.error in daemon.log()
    late = [row.started_at - row.due_at for row in place.rows("quick") if row.started_at]
    assert sorted(late)[len(late) // 2] < timedelta(seconds=1)


def test_sys_exit_in_a_thread_is_one_failed_row_a_tick(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="exiting,quick")
    with place.start().ready() as daemon:
        place.runs("exiting", 2)
        place.runs("quick", 3)
        assert daemon.stop() == 0
    rows = [row for row in place.rows("exiting") if row.started_at]
    assert {(row.outcome, row.error) for row in rows} == {(OutcomeKind.FAILED, "SystemExit: 3")}
    assert_every_tick_has_one_row(place.rows("exiting"), "every 500ms")


def test_a_process_that_vanishes_is_one_failed_row(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="vanishing,quick")
    with place.start().ready() as daemon:
        row = place.ended("vanishing")
        assert (row.outcome, row.error) == (OutcomeKind.FAILED, "its process ended with status 7 without an answer")
        place.runs("quick", 3)
        assert daemon.stop() == 0


@pytest.mark.slow
def test_a_child_that_leaves_a_process_behind_has_answered_all_the_same(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="leaving")
    with place.start().ready() as daemon:
        row = place.ended("leaving")
        (left_behind,) = place.pids()
        assert alive(left_behind)
        assert (row.outcome, row.counters) == (OutcomeKind.DONE, {"left": 1})
        assert daemon.stop() == 0
    os.kill(left_behind, signal.SIGKILL)


def test_done_comes_back_from_the_child_with_its_counters(tmp_path: Path) -> None:
    row, log = answer_of_child(tmp_path, "done")
    assert (row.outcome, row.counters) == (OutcomeKind.DONE, {"checked": 40, "late": 2})
    assert "answering  a line from the child" in log
    assert TOKEN not in log


def test_a_snooze_comes_back_from_the_child(tmp_path: Path) -> None:
    row, _ = answer_of_child(tmp_path, "snoozed")
    assert (row.outcome, row.reason, row.counters) == (OutcomeKind.SNOOZED, "the page is busy", {"checked": 1})


def test_a_cancellation_comes_back_from_the_child(tmp_path: Path) -> None:
    row, _ = answer_of_child(tmp_path, "cancelled")
    assert (row.outcome, row.reason) == (OutcomeKind.CANCELLED, "nothing to do")


def test_an_exception_comes_back_from_the_child_with_its_traceback_and_without_secrets(tmp_path: Path) -> None:
    row, log = answer_of_child(tmp_path, "raises")
    assert (row.outcome, row.error) == (OutcomeKind.FAILED, "ValueError: the service said no to ***")
    assert 'raise ValueError(f"the service said no to' in (row.traceback or "")
    assert TOKEN not in (row.traceback or "")
    assert TOKEN not in log
    assert log.count("Traceback (most recent call last)") == 1


def test_a_child_that_obeys_its_timeout_leaves_no_error(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="answering", settings={"TRIAL_ANSWER": "obeys", "JOB_ANSWERING_TIMEOUT": "2s"})
    with place.start().ready() as daemon:
        row = place.ended("answering")
        assert daemon.stop() == 0
        assert "Traceback" not in daemon.log()
    assert (row.outcome, row.error, row.traceback) == (OutcomeKind.TIMED_OUT, None, None)


@pytest.mark.parametrize("job", ["hanging", "spinning"])
def test_the_family_of_an_isolated_run_does_not_outlive_a_daemon_that_was_killed(tmp_path: Path, job: str) -> None:
    place = Place(tmp_path, jobs=job)
    with place.start().ready() as daemon:
        until(lambda: "complete" in place.notes(), "the family of the hanging job")
        assert all(map(alive, place.pids()))
        daemon.kill()
        until(lambda: not any(map(alive, place.pids())), "the end of the family", ORPHANS_LIVE_S)
