"""The ledger of a living process: stopped, killed, paused, overlapping, snoozing."""

import time
from datetime import timedelta
from pathlib import Path

import pytest
from daemon_process import Place, assert_every_tick_has_one_row, executions, states, until

from roundsman.scheduling.job import OutcomeKind

pytestmark = pytest.mark.xdist_group("daemon-ledger")

STANDSTILL_S = 3.0
SUSPENDED_QUICK = 10
"""At least so many of the fifteen ticks of 200 ms in a standstill; a slow machine is one in the ticks around it."""


def test_a_process_that_stood_still_accounts_for_every_tick_by_its_policy(tmp_path: Path) -> None:
    quick = ("skipping", "catching_up_once", "catching_up_all")
    place = Place(tmp_path, jobs=",".join((*quick, "second")))
    with place.start().ready() as daemon:
        for job in quick:
            place.runs(job, 2)
        with daemon.frozen():
            time.sleep(STANDSTILL_S)  # standing still is what is tried
        for job in (*quick, "second"):
            place.runs(job, 3)
        assert daemon.stop() == 0
    for job in quick:
        assert_every_tick_has_one_row(place.rows(job), "every 200ms")
    assert_every_tick_has_one_row(place.rows("second"), "every 1s")
    for job in ("skipping", "catching_up_once"):
        seen = states(place.rows(job))
        assert seen["suspended"] >= SUSPENDED_QUICK, seen
        assert sum(seen.values()) == seen["ran"] + seen["late"] + seen["suspended"] + seen["overlapped"]
        assert all(row.outcome is None and row.reason for row in place.rows(job) if row.state.value == "suspended")
    caught_up = states(place.rows("catching_up_all"))
    assert caught_up["late"] >= SUSPENDED_QUICK // 2  # the last second of a standstill is not late
    assert caught_up["suspended"] == 0
    assert states(place.rows("second"))["suspended"] >= 1
    for job in (*quick, "second"):
        assert set(executions(place, job).values()) == {1}
        run = {row.due_at for row in place.rows(job) if row.started_at}
        assert executions(place, job).keys() == run


def test_a_restart_after_a_kill_knows_what_was_missed(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="skipping,catching_up_once,catching_up_all")
    with place.start().ready() as daemon:
        place.runs("skipping", 2)
        daemon.kill()
    newest = place.rows("catching_up_all")[-1].due_at
    until(lambda: time.time() > newest.timestamp() + 2.0, "a gap")
    with place.start().ready() as daemon:
        for job in ("skipping", "catching_up_once", "catching_up_all"):
            place.runs(job, 3)
        assert daemon.stop() == 0
    for job in ("skipping", "catching_up_once"):
        assert_every_tick_has_one_row(place.rows(job), "every 200ms")
        missed = [row for row in place.rows(job) if row.state.value == "missed"]
        assert len(missed) >= 8
        assert {row.reason for row in missed} == {"no daemon was running"}
    assert_every_tick_has_one_row(place.rows("catching_up_all"), "every 200ms")
    assert states(place.rows("catching_up_all"))["missed"] == 0
    assert all(row.outcome for row in place.rows("catching_up_all") if row.attempt)


def test_a_pause_from_another_process_counts_at_the_next_tick(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="quick,second")
    with place.start().ready() as daemon:
        place.runs("quick", 2)
        paused = place.command("jobs", "pause", "quick")
        assert (paused.returncode, paused.stdout) == (0, "quick is paused.\n")
        until(lambda: states(place.rows("quick"))["paused"] >= 3, "paused ticks")
        last = [row for row in place.rows("quick") if row.started_at][-1]
        place.runs("second", 1)
        assert [row for row in place.rows("quick") if row.started_at][-1].due_at == last.due_at
        reasons = {row.reason for row in place.rows("quick") if row.state.value == "paused"}
        assert len(reasons) == 1
        assert reasons.pop().startswith("paused by ")  # type: ignore[union-attr]  # it has a reason, or this fails
        resumed = place.command("jobs", "resume", "quick")
        assert (resumed.returncode, resumed.stdout) == (0, "quick is resumed.\n")
        place.runs("quick", 2)
        assert daemon.stop() == 0
    assert_every_tick_has_one_row(place.rows("quick"), "every 200ms")


def test_a_run_that_overlaps_its_next_tick_is_warned_of_with_the_time_elapsed(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="long")
    with place.start(TRIAL_SECONDS="1.8").ready() as daemon:
        until(lambda: states(place.rows("long"))["overlapped"] >= 2, "overlapped ticks")
        daemon.logged("long is due again but still running after 0.")
        daemon.logged("long is due again but still running after 1.")
        place.runs("long", 1)
        assert daemon.stop() == 0
    overlapped = [row.reason for row in place.rows("long") if row.state.value == "overlapped"]
    assert all(reason and reason.startswith("still running after ") for reason in overlapped)
    assert_every_tick_has_one_row(place.rows("long"), "every 500ms")


@pytest.mark.slow
def test_one_overlapping_tick_waits_when_the_job_wants_it(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="long", settings={"JOB_LONG_OVERLAP": "queue"})
    with place.start(TRIAL_SECONDS="1.8").ready() as daemon:
        place.runs("long", 2)
        daemon.logged("this tick waits")
        daemon.logged("this tick is skipped")
        assert daemon.stop() == 0
    first, second = [row for row in place.rows("long") if row.outcome is OutcomeKind.DONE][:2]
    assert second.due_at - first.due_at == timedelta(milliseconds=500)  # the first to overlap
    assert first.finished_at is not None
    assert second.started_at is not None
    assert second.started_at >= first.finished_at


def test_a_snoozed_run_runs_again(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="snoozing")
    with place.start().ready() as daemon:
        until(lambda: len(place.finished("snoozing")) == 2, "the second run")
        assert daemon.stop() == 0
    first, second = place.rows("snoozing")
    assert (first.origin.value, first.outcome, first.reason) == ("start", OutcomeKind.SNOOZED, "not yet")
    assert (second.origin.value, second.outcome) == ("snooze", OutcomeKind.DONE)
    assert first.finished_at is not None
    assert second.due_at - first.finished_at == timedelta(milliseconds=300)


def test_a_killed_daemons_run_is_interrupted_and_taken_again_by_the_next(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="slow", settings={"JOB_SLOW_RUN_AT_START": "on"})
    with place.start().ready() as daemon:
        daemon.logged("slow work begins")
        daemon.kill()
    assert place.row("slow").outcome is None
    with place.start(TRIAL_SECONDS="0", JOB_SLOW_RUN_AT_START="off").ready() as daemon:
        daemon.logged("slow was running when its daemon died; marked interrupted")
        until(lambda: place.row("slow").outcome is OutcomeKind.DONE, "the second attempt")
        assert daemon.stop() == 0
    assert place.row("slow").attempt == 2
    assert [line.split()[0] for line in place.notes()] == ["began", "began", "ended"]
