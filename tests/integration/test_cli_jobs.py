"""`roundsman jobs`, `status` and `demo` as a person calls them: in this process, on real stores, with our own clock."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from jobs import JOBS
from roundsman.cli import main
from roundsman.cli.commands import build
from roundsman.cli.session import Session
from roundsman.clock import ManualClock
from roundsman.errors import EXIT_DONE, EXIT_FAILED, EXIT_USAGE, BadInputError, RoundsmanError
from roundsman.owner import Owner
from roundsman.repositories.daemons import DaemonRecord, DaemonRepository
from roundsman.repositories.engine import Store
from roundsman.scheduling.job import Job, JobContext, Outcome, OutcomeKind
from roundsman.scheduling.ledger import RunReport, TickEntry, TickState

Capture = pytest.CaptureFixture[str]


class Nightly(Job):
    name: ClassVar[str] = "nightly"
    schedule: ClassVar[str] = "30 2 * * *"
    time_zone: ClassVar[str | None] = "Europe/Berlin"

    def run(self, ctx: JobContext) -> Outcome:
        ctx.log.info("counting sheep")
        return Outcome.done(sheep=3)


class Broken(Job):
    name: ClassVar[str] = "broken"
    schedule: ClassVar[str] = "every 10s"

    def run(self, ctx: JobContext) -> Outcome:
        raise ValueError("no sheep today")


class Idle(Job):
    name: ClassVar[str] = "idle"
    schedule: ClassVar[str] = "0 12 * * *"

    def run(self, ctx: JobContext) -> Outcome:
        return Outcome.cancelled("nobody is there")


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    kept = (list(root.handlers), root.level, sys.excepthook, threading.excepthook, sys.unraisablehook)
    yield
    root.handlers[:], level, sys.excepthook, threading.excepthook, sys.unraisablehook = kept
    root.setLevel(level)
    logging.captureWarnings(False)


class Shell:
    """Commands on one state folder, under one clock that stands still."""

    def __init__(self, folder: Path, clock: ManualClock, capture: Capture, patch: pytest.MonkeyPatch) -> None:
        self.clock = clock
        self.folder = folder
        self._capture = capture
        patch.chdir(folder)
        patch.setenv("ROUNDSMAN_STATE_DIR", str(folder / "state"))
        self.setenv = patch.setenv

    def session(self) -> Session:
        return Session((Nightly, Broken, Idle), self.clock)

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code and stdout. Raises the RoundsmanError that `main` would print."""
        session = self.session()
        self._capture.readouterr()
        with closing(session), pytest.raises(SystemExit) as end:
            build()(args=list(arguments), prog_name="roundsman", obj=session)
        assert isinstance(end.value.code, int)
        return end.value.code, self._capture.readouterr().out

    def out(self, *arguments: str) -> str:
        code, out = self.run(*arguments)
        assert code == EXIT_DONE
        return out

    def json(self, *arguments: str) -> Any:
        return json.loads(self.out(*arguments, "--json"))

    def store(self, work: Callable[[Session, Store], object]) -> None:
        with closing(self.session()) as session:
            work(session, session.store)


@pytest.fixture
def shell(tmp_path: Path, clock: ManualClock, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, clock, capsys, monkeypatch)


# --- list ---


def test_list_shows_every_job_before_anything_ran(shell: Shell) -> None:
    nightly, broken, idle = shell.json("jobs", "list")
    assert nightly == {
        "job": "nightly", "schedule": "30 2 * * * Europe/Berlin", "state": "scheduled",
        "next": "2026-03-04T01:30:00Z", "last_due": None, "last_outcome": None, "last_counters": {},
        "timeout_s": 300.0, "overlap": "skip", "catch_up": "once", "isolate": False,
    }  # fmt: skip
    assert (broken["schedule"], broken["next"]) == ("every 10s", "2026-03-03T04:00:10Z")
    assert idle["job"] == "idle"
    header, *rows = shell.out("jobs", "list").splitlines()
    assert header.split() == ["JOB", "SCHEDULE", "STATE", "NEXT", "LAST", "RUN"]
    assert [row.split()[0] for row in rows] == ["nightly", "broken", "idle"]
    assert "never" in rows[0]


def test_list_tells_how_the_last_run_ended_and_who_is_paused_or_disabled(shell: Shell) -> None:
    shell.setenv("JOB_IDLE_ENABLED", "off")
    shell.run("jobs", "run", "nightly")
    shell.run("jobs", "pause", "broken")
    nightly, broken, idle = shell.json("jobs", "list")
    assert (nightly["last_outcome"], nightly["last_counters"]) == ("done", {"sheep": 3})
    assert (broken["state"], idle["state"], idle["next"]) == ("paused", "disabled", None)
    assert "done in 0 ms, 2026-03-03 04:00:00 UTC: sheep=3" in shell.out("jobs", "list")


# --- next ---


def test_next_shows_the_times_of_all_enabled_jobs(shell: Shell) -> None:
    shell.setenv("JOB_IDLE_ENABLED", "off")
    found = shell.json("jobs", "next", "-n", "2")
    assert [(row["job"], row["due_at"]) for row in found] == [
        ("nightly", "2026-03-04T01:30:00Z"), ("nightly", "2026-03-05T01:30:00Z"),
        ("broken", "2026-03-03T04:00:10Z"), ("broken", "2026-03-03T04:00:20Z"),
    ]  # fmt: skip


def test_next_points_out_where_the_clocks_change(shell: Shell) -> None:
    shell.clock.advance(datetime(2026, 3, 28, 0, 0, tzinfo=UTC) - shell.clock.now())
    before, night, after = shell.json("jobs", "next", "nightly", "-n", "3")
    assert (before["local"], before["clock_change"]) == ("2026-03-28T02:30:00+01:00", False)
    # 02:30 does not exist that night; it runs once, after the gap
    assert night["due_at"].startswith("2026-03-29T01:")
    assert night["clock_change"]
    assert (after["local"], after["clock_change"]) == ("2026-03-30T02:30:00+02:00", False)
    assert shell.out("jobs", "next", "nightly", "-n", "3").count("the clocks change before") == 1


def test_next_tries_a_schedule_that_is_not_in_use(shell: Shell) -> None:
    (row,) = shell.json("jobs", "next", "--cron", "0 9 * * mon", "--zone", "Asia/Ho_Chi_Minh", "-n", "1")
    assert (row["job"], row["local"]) == ("-", "2026-03-09T09:00:00+07:00")
    assert "10.0 s" in shell.out("jobs", "next", "--cron", "every 10s", "-n", "1")


def test_next_ends_where_a_schedule_never_comes(shell: Shell) -> None:
    with pytest.raises(BadInputError, match="no cron line"):
        shell.run("jobs", "next", "--cron", "0 0 30 2 *")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("jobs", "next", "nope"), "There is no job 'nope'; the jobs are nightly, broken, idle."),
        (("jobs", "history", "nope"), "There is no job 'nope'"),
        (("jobs", "run", "nope"), "There is no job 'nope'"),
        (("jobs", "pause", "nope"), "There is no job 'nope'"),
        (("jobs", "next", "--cron", "61 * * * *"), "--cron: '61 * * * *' is no cron line"),
        (("jobs", "next", "--cron", "every 1ms"), "--cron: 'every 1ms' is out of range"),
        (("jobs", "next", "--cron", "0 9 * * *", "--zone", "Mars/North"), "--zone: 'Mars/North' is no time zone"),
        (("jobs", "next", "--cron", "0 9 * * *", "--zone", "../etc"), "--zone: '../etc' is no time zone"),
    ],
)
def test_a_wrong_name_schedule_or_zone_is_one_sentence(shell: Shell, arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(BadInputError) as caught:
        shell.run(*arguments)
    assert str(caught.value).startswith(sentence)
    assert caught.value.exit_code == EXIT_USAGE


# --- run ---


def test_run_ends_with_its_outcome_and_is_in_the_ledger(shell: Shell) -> None:
    code, out = shell.run("jobs", "run", "nightly")
    assert (code, out) == (EXIT_DONE, "nightly: done in 0 ms, 2026-03-03 04:00:00 UTC: sheep=3\n")
    (row,) = shell.json("jobs", "history")
    assert (row["job"], row["origin"], row["state"], row["outcome"]) == ("nightly", "manual", "ran", "done")


def test_a_run_that_fails_exits_with_1_and_keeps_its_traceback(shell: Shell) -> None:
    code, out = shell.run("jobs", "run", "broken", "--json")
    row = json.loads(out)
    assert (code, row["outcome"], row["error"]) == (EXIT_FAILED, "failed", "ValueError: no sheep today")
    assert "Traceback" in row["traceback"]


def test_a_run_that_gives_up_on_purpose_is_no_failure(shell: Shell) -> None:
    code, out = shell.run("jobs", "run", "idle")
    assert (code, "nobody is there" in out) == (EXIT_DONE, True)


def test_a_job_that_runs_elsewhere_is_not_run_twice(shell: Shell) -> None:
    def claim(session: Session, _: Store) -> None:
        session.app.ticks.commit([TickEntry("nightly", shell.clock.now(), TickState.RAN)], [], shell.clock.now())

    shell.store(claim)
    shell.clock.advance(timedelta(seconds=7))
    with pytest.raises(RoundsmanError, match=r"nightly is already running, for 7 s; wait until it has ended\."):
        shell.run("jobs", "run", "nightly")
    assert shell.json("jobs", "list")[0]["state"] == "running"
    assert "Running: nightly, since 7.0 s" in shell.out("status")


# --- pause and resume ---


def test_a_pause_is_told_once_and_ended_once(shell: Shell) -> None:
    said = [shell.out("jobs", verb, "nightly") for verb in ("pause", "pause", "resume", "resume")]
    assert said == [
        "nightly is paused.\n", "nightly was paused already.\n", "nightly is resumed.\n", "nightly is not paused.\n",
    ]  # fmt: skip


# --- history ---


def test_history_shows_states_durations_and_bars(shell: Shell) -> None:
    def fill(session: Session, _: Store) -> None:
        ticks, start = session.app.ticks, shell.clock.now() - timedelta(hours=1)
        for number, (seconds, outcome) in enumerate([(1, OutcomeKind.DONE), (4, OutcomeKind.TIMED_OUT)]):
            due = start + timedelta(minutes=number)
            (claim,) = ticks.commit([TickEntry("nightly", due, TickState.RAN)], [], due)
            end = due + timedelta(seconds=seconds)
            ticks.commit([], [RunReport(claim.tick_id, due, end, outcome, {"sheep": number})], end)
        gap = TickEntry("nightly", start - timedelta(hours=9), TickState.MISSED, reason="asleep", stands_for=8)
        ticks.commit([gap], [], shell.clock.now())

    shell.store(fill)
    header, second, first, missed, _blank, durations = shell.out("jobs", "history", "nightly").splitlines()
    assert header.split() == ["JOB", "DUE", "STATE", "OUTCOME", "TOOK", "WHAT"]
    assert second.split() == ["nightly", "2026-03-03", "03:01:00", "UTC", "ran", "timed_out", "4.0", "s", "sheep=1"]
    assert "done" in first
    assert missed.split()[4:] == ["missed", "x", "8", "asleep"]
    assert durations == "durations ▃█  median 2.500 s, longest 4.000 s"
    newest = shell.json("jobs", "history", "-n", "1")
    assert [(row["outcome"], row["duration_s"]) for row in newest] == [("timed_out", 4.0)]


def test_history_of_nothing_is_an_empty_list(shell: Shell) -> None:
    assert shell.json("jobs", "history") == []


# --- status ---


def test_status_without_a_daemon_says_how_to_start_one(shell: Shell) -> None:
    out = shell.out("status")
    assert out.startswith("No daemon is running on this store. Start one with `roundsman run`.\n")
    assert "Open alerts: 0" in out
    assert "Next: broken in 10.0 s" in out
    found = shell.json("status")
    assert (found["now"], found["daemons"], found["running"], found["paused"]) == ("2026-03-03T04:00:00Z", [], [], {})
    assert [row["job"] for row in found["next"]] == ["broken", "idle", "nightly"]


def test_status_tells_a_living_daemon_from_a_silent_one(shell: Shell) -> None:
    owner = str(Owner.this_process())

    def beat(_: Session, store: Store) -> None:
        began = shell.clock.now()
        with store.write() as connection:
            DaemonRepository().beat(
                connection, DaemonRecord(owner, "box", 17, "0.1.0", began, began, "3 jobs, running: none")
            )

    shell.store(beat)
    shell.run("jobs", "pause", "idle")
    shell.clock.advance(timedelta(seconds=30))
    out = shell.out("status")
    assert "Daemon box pid 17 is up, started 30.0 s ago: 3 jobs, running: none" in out
    assert "Paused: idle, since 30.0 s" in out
    assert "Next: idle" not in out
    shell.clock.advance(timedelta(minutes=5))
    assert "is SILENT since its last heartbeat" in shell.out("status")
    assert shell.json("status")["daemons"][0]["alive"] is False


# --- demo ---


def test_demo_tells_the_whole_story_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "https://hooks.slack.example/services/never-asked")
    with pytest.raises(SystemExit) as end:
        main(JOBS, ("demo",))
    said = capfd.readouterr()
    assert end.value.code == EXIT_DONE
    rounds = [line.strip() for line in said.out.splitlines() if line.startswith("  ")]
    assert rounds == [
        "done: 2 checked, 2 late, 2 opened, 0 escalated, 0 resolved, 0 held",
        "done: 0 checked, 2 late, 0 opened, 0 escalated, 0 resolved, 0 held",
        "done: 1 checked, 1 late, 0 opened, 0 escalated, 1 resolved, 0 held",
    ]
    assert (said.err.count("ALERT "), said.err.count("RESOLVED ")) == (2, 1)
    assert "Trần Minh" in said.err
    assert list(tmp_path.iterdir()) == []


# --- pipes ---


@pytest.mark.parametrize("command", [("jobs", "list", "--json"), ("jobs", "list"), ("status",)], ids=" ".join)
def test_a_reader_who_has_seen_enough_is_no_fault(tmp_path: Path, command: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ran = subprocess.run(
            [Path(sys.executable).with_name("roundsman"), *command],
            env={"PATH": os.defpath, "ROUNDSMAN_STATE_DIR": str(tmp_path / "state"), "HOME": str(tmp_path)},
            cwd=tmp_path,
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writing)
    assert (ran.returncode, ran.stderr) == (EXIT_DONE, b"")
