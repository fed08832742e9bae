"""Commands of a person beside a running daemon, as processes of their own."""

import json
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from daemon_process import Place, until

from roundsman.cli.commands import build
from roundsman.cli.session import Session
from roundsman.clock import ManualClock
from roundsman.scheduling.job import OutcomeKind

pytestmark = pytest.mark.xdist_group("daemon-store")


def as_json(place: Place, *words: str) -> Any:
    ended = place.command(*words, "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_listings_beside_a_running_daemon_tell_what_it_does(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="quick,slow,failing")
    with place.start().ready() as daemon:
        daemon.logged("slow work begins")
        place.runs("quick", 2)

        listed = {row["job"]: row for row in as_json(place, "jobs", "list")}
        assert listed.keys() == {"quick", "slow", "failing"}
        assert listed["slow"]["state"] == "running"
        assert (listed["quick"]["schedule"], listed["quick"]["catch_up"]) == ("every 200ms", "once")
        assert listed["failing"]["last_outcome"] is None

        (quick,) = as_json(place, "jobs", "next", "quick", "-n", "1")
        assert quick.keys() == {"job", "due_at", "local", "clock_change"}
        assert datetime.fromisoformat(quick["due_at"]).tzinfo is not None

        tick = next(row for row in as_json(place, "jobs", "history", "quick") if row["outcome"] == "done")
        assert {name: tick[name] for name in ("job", "origin", "counters", "error")} == {
            "job": "quick", "origin": "schedule", "counters": {"runs": 1}, "error": None,
        }  # fmt: skip
        assert tick["state"] in ("ran", "late")
        assert tick["duration_s"] >= 0

        status = as_json(place, "status")
        (row,) = status["daemons"]
        assert (row["pid"], row["alive"]) == (daemon.pid, True)
        assert "slow" in [run["job"] for run in status["running"]]

        daemon.kill()
        (row,) = as_json(place, "status")["daemons"]
        assert (row["pid"], row["alive"]) == (daemon.pid, False)


def test_a_run_in_the_foreground_is_recorded_as_manual_beside_the_daemon(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="quick,failing,slow", settings={"JOB_QUICK_SCHEDULE": "every 300d"})
    with place.start(ROUNDSMAN_SHUTDOWN_SECONDS="1").ready() as daemon:
        daemon.logged("slow work begins")
        done = place.command("jobs", "run", "quick", "--json")
        assert done.returncode == 0
        assert json.loads(done.stdout)["origin"] == "manual"
        assert place.row("quick").outcome is OutcomeKind.DONE

        failed = place.command("jobs", "run", "failing")
        assert failed.returncode == 1
        assert "ValueError: as it was asked to" in failed.stdout
        assert place.row("failing").outcome is OutcomeKind.FAILED

        unknown = place.command("jobs", "run", "quik")
        assert unknown.returncode == 2
        assert unknown.stderr == "roundsman: There is no job 'quik'; the jobs are quick, slow, failing.\n"

        busy = place.command("jobs", "run", "slow")
        assert busy.returncode == 1
        assert "slow is already running, for " in busy.stderr
        assert len(place.rows("slow")) == 1
        assert daemon.stop() == 0


def test_ctrl_c_interrupts_a_run_in_the_foreground_and_records_it(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="slow")
    with place.begin("jobs", "run", "slow") as command:
        until(lambda: any(line.startswith("began slow") for line in place.notes()), "the run")
        command.send_signal(signal.SIGINT)
        output, complaints = command.communicate(timeout=30)
    assert command.returncode == 1
    assert "slow: interrupted" in output
    assert "Traceback" not in complaints
    row = place.row("slow")
    assert (row.origin.value, row.outcome) == ("manual", OutcomeKind.INTERRUPTED)


def test_a_second_ctrl_c_does_not_wait_for_a_deaf_run(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="deaf")
    with place.begin("jobs", "run", "deaf") as command:
        until(lambda: any(line.startswith("began deaf") for line in place.notes()), "the run")
        command.send_signal(signal.SIGINT)
        command.send_signal(signal.SIGTERM)
        output, _ = command.communicate(timeout=30)
    assert command.returncode == 1
    assert "deaf: interrupted" in output
    assert place.row("deaf").outcome is OutcomeKind.INTERRUPTED


def test_an_isolated_job_runs_in_the_foreground_too(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="answering", settings={"TRIAL_ANSWER": "done"})
    ended = place.command("jobs", "run", "answering")
    assert ended.returncode == 0
    assert "checked=40 late=2" in ended.stdout


@pytest.mark.parametrize(
    ("eve", "due"),
    [
        # 02:30 does not exist on 29 March: it runs at 03:00. On 25 October it exists twice: it runs at the first.
        (datetime(2026, 3, 28, 12, tzinfo=UTC), ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
        (datetime(2026, 10, 24, 12, tzinfo=UTC), ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
    ],
)
def test_next_shows_a_nightly_job_once_on_both_change_days(
    eve: datetime, due: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session((), ManualClock(eve))
    words = ["jobs", "next", "--cron", "30 2 * * *", "--zone", "Europe/Berlin", "-n", "2", "--json"]
    with pytest.raises(SystemExit):
        build()(args=words, prog_name="roundsman", obj=session)
    rows = json.loads(capsys.readouterr().out)
    assert [row["due_at"] for row in rows] == due
    assert any(row["clock_change"] for row in rows)
