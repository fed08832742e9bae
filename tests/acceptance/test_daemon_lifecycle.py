"""From exec to exit code: what the daemon tells its service manager, and how it stops."""

import random
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest
from daemon_process import Place, alive, until

from roundsman.lifecycle import CANCEL_GRACE
from roundsman.scheduling.job import OutcomeKind

pytestmark = pytest.mark.xdist_group("daemon-lifecycle")

GRACE_S = CANCEL_GRACE.total_seconds()
SLACK_S = 3.0
"""For a machine that is busy with something else."""


def test_ready_comes_after_the_first_real_pass(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="slow,quick")
    with place.start() as daemon:
        daemon.ready()
        assert place.row("slow").state.value == "ran"  # the claim was written before READY=1
        lines = daemon.notifications.lines()
        status = lines[lines.index("READY=1") + 1]
        assert status.startswith("STATUS=2 jobs, running: ")
        assert "next: quick at " in status
        daemon.notified("WATCHDOG=1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_daemon_stops_at_once_with_0(tmp_path: Path, number: signal.Signals) -> None:
    with Place(tmp_path, jobs="failing").start().ready() as daemon:
        begun = time.monotonic()
        daemon.signal(number)
        assert daemon.ends() == 0
        assert time.monotonic() - begun < SLACK_S
        assert daemon.notifications.count("STOPPING=1") == 1
        assert f"{number.name}: stopping" in daemon.log()
        assert "Traceback" not in daemon.log()


def test_a_stop_drains_what_runs(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="slow,quick")
    with place.start(TRIAL_SECONDS="2").ready() as daemon:
        daemon.logged("slow work begins")
        assert daemon.stop() == 0
        assert any(line.startswith("ended slow") for line in place.notes())
        assert place.row("slow").outcome is OutcomeKind.DONE
        assert all(row.outcome for row in place.rows("quick") if row.started_at)
        lines = daemon.notifications.lines()
        draining = lines[lines.index("STOPPING=1") :]
        assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in draining)
        assert any(line.startswith("STATUS=Stopping: waiting for slow (") for line in draining)
        assert "Traceback" not in daemon.log()
    with place.store() as store, store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM daemons").scalar_one() == 0


def test_no_tick_is_claimed_once_a_stop_began(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="slow,quick")
    with place.start(TRIAL_SECONDS="2").ready() as daemon:
        daemon.logged("slow work begins")
        daemon.signal(signal.SIGTERM)
        daemon.notified("STOPPING=1")
        newest = place.rows("quick")[-1].due_at if place.rows("quick") else None
        assert daemon.ends() == 0
        rows = place.rows("quick")
        # One may have been in the dispatcher's hands when the notification went out.
        assert newest is None or rows[-1].due_at - newest <= timedelta(milliseconds=400)


def test_a_run_that_is_cut_off_is_interrupted_and_taken_again_once(tmp_path: Path) -> None:
    place = Place(
        tmp_path, jobs="long", settings={"ROUNDSMAN_SHUTDOWN_SECONDS": "1", "JOB_LONG_SCHEDULE": "every 366d"}
    )
    place.settings["JOB_LONG_RUN_AT_START"] = "on"
    with place.start().ready() as daemon:
        daemon.logged("slow work begins")
        assert daemon.stop(1 + GRACE_S + SLACK_S) == 0
        row = place.row("long")
        assert (row.outcome, row.reason) == (OutcomeKind.INTERRUPTED, "the daemon was stopping")
        assert (row.error, row.traceback) == (None, None)
    place.settings["JOB_LONG_RUN_AT_START"] = "off"
    with place.start(TRIAL_SECONDS="0").ready() as daemon:
        until(lambda: place.row("long").outcome is OutcomeKind.DONE, "the second attempt")
        assert daemon.stop() == 0
    assert (place.row("long").attempt, place.row("long").state.value) == (2, "late")
    with place.start(TRIAL_SECONDS="0").ready() as daemon:
        assert daemon.stop() == 0
    assert place.row("long").attempt == 2
    assert [line.split()[0] for line in place.notes()] == ["began", "began", "ended"]


def test_a_deaf_run_does_not_hold_the_process(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="deaf")
    with place.start(ROUNDSMAN_SHUTDOWN_SECONDS="1").ready() as daemon:
        daemon.logged("deaf work begins")
        assert daemon.stop(1 + GRACE_S + 1 + SLACK_S) == 0
        assert place.row("deaf").outcome is OutcomeKind.INTERRUPTED
        assert "ignored its stop token" in (place.row("deaf").reason or "")
        assert "Interrupted: deaf" in daemon.log()


def test_a_second_signal_forces(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="deaf,slow")
    with place.start().ready() as daemon:
        daemon.logged("deaf work begins")
        daemon.logged("slow work begins")
        daemon.signal(signal.SIGTERM)
        daemon.notified("STOPPING=1")
        begun = time.monotonic()
        daemon.signal(signal.SIGINT)
        assert daemon.ends() == 1
        assert time.monotonic() - begun < SLACK_S
        assert {row.outcome for row in place.rows()} == {OutcomeKind.INTERRUPTED}
        assert "SIGINT again: stopping at once" in daemon.log()


@pytest.mark.slow
def test_a_hanging_isolated_run_is_killed_at_a_stop(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="hanging")
    with place.start(ROUNDSMAN_SHUTDOWN_SECONDS="1").ready() as daemon:
        until(lambda: "complete" in place.notes(), "the family of the hanging job")
        assert daemon.stop(1 + GRACE_S + 1 + SLACK_S) == 0
    assert place.row("hanging").outcome is OutcomeKind.INTERRUPTED
    until(lambda: not any(map(alive, place.pids())), "the end of the family")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_signal_during_start_up_never_hangs_nor_leaves_a_running_row(tmp_path: Path) -> None:
    chance = random.Random(4)
    place = Place(tmp_path, jobs="slow")
    with place.start(TRIAL_SECONDS="0").ready() as daemon:
        assert daemon.stop() == 0
    for number in (signal.SIGTERM, signal.SIGINT) * 12:
        with place.start(TRIAL_SECONDS="0") as daemon:
            time.sleep(chance.uniform(0, 1.2))  # the moment is what is tried
            daemon.signal(number)
            assert daemon.ends() in (0, 1, -number, 128 + number)
            assert place.finished("slow") == place.rows("slow")
