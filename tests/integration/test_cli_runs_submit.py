"""`roundsman runs submit` and `wait`: what is stored, what is told, and what is refused."""

import json
import logging
import re
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from cli_shell import Capture, Shell
from sqlalchemy import Connection

from roundsman.cli.run_watch import WaitTimeoutError
from roundsman.clock import ManualClock
from roundsman.errors import EXIT_DONE, EXIT_FAILED, EXIT_USAGE, BadInputError, RoundsmanError, StoreError
from roundsman.repositories.run_views import RunViews, Sight

NO_DAEMON = "No daemon is running on this store: start one with `roundsman run`."


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    kept = (list(root.handlers), root.level, sys.excepthook, threading.excepthook, sys.unraisablehook)
    yield
    root.handlers[:], level, sys.excepthook, threading.excepthook, sys.unraisablehook = kept
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture
def shell(tmp_path: Path, clock: ManualClock, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, clock, capsys, monkeypatch)


# --- submit ---


def test_a_submitted_run_has_its_number_and_tells_that_no_daemon_is_up(shell: Shell) -> None:
    out = shell.out("runs", "submit", "noop")
    assert out == f"Run 1 of noop is submitted and waits in the queue. {NO_DAEMON}\n"
    shell.daemon()
    assert shell.out("runs", "submit", "noop") == "Run 2 of noop is submitted; a daemon takes it.\n"


def test_everything_that_was_asked_for_is_stored(shell: Shell) -> None:
    (shell.folder / "note.json").write_text('\ufeff{"note": "chào"}', encoding="utf-8")
    found = shell.json(
        "runs", "submit", "three_steps", "--input", "note.json", "--priority", "Critical", "--group", "shop-1",
        "--delay", "1h30m", "--dedup", "d-1", "--correlation-id", "c-1",
    )  # fmt: skip
    assert (found["id"], found["priority"], found["group"], found["dedup"], found["correlation_id"]) == (
        1, 20, "shop-1", "d-1", "c-1",
    )  # fmt: skip
    assert (found["status"], found["not_before"]) == ("queued", "2026-03-03T05:30:00Z")
    assert (found["duplicate"], found["unsent"], found["nobody"]) == (False, None, NO_DAEMON)
    assert shell.json("runs", "status", "1")["input"] == {"note": "chào"}


def test_the_input_may_come_through_a_pipe(shell: Shell) -> None:
    shell.out("runs", "submit", "three_steps", "--input", "-", stdin='{"note": "piped"}')
    assert shell.json("runs", "status", "1")["input"] == {"note": "piped"}


def test_a_delayed_run_tells_when_it_is_due(shell: Shell) -> None:
    out = shell.out("runs", "submit", "noop", "--delay", "30s")
    assert out.startswith("Run 1 of noop is submitted for 2026-03-03 04:00:30 UTC, in 30.0 s and waits in the queue.")


def test_a_duplicate_is_told_with_the_first_ones_number(shell: Shell) -> None:
    shell.out("runs", "submit", "noop", "--dedup", "k")
    out = shell.out("runs", "submit", "noop", "--dedup", "k")
    assert out == "Run 1 of noop has the same dedup key 'k'; nothing new was submitted.\n"
    assert len(shell.json("runs", "list")) == 1


@pytest.mark.parametrize(
    ("arguments", "stdin", "sentence"),
    [
        (("nop",), None, "workflow: there is no workflow 'nop' (did you mean 'noop'?); the workflows are "),
        (("noop", "-i", "gone.json"), None, "--input: gone.json cannot be read (No such file or directory)."),
        (("noop", "-i", "."), None, "--input: . cannot be read (Is a directory)."),
        (("noop", "-i", "a\0b"), None, "--input: a�b cannot be read (embedded null byte)."),
        (
            ("noop", "-i", "{}"), None,
            "--input: {} cannot be read (No such file or directory); to give JSON itself, pipe it into --input -.",
        ),
        (("noop", "-i", "-"), "", "--input: is empty; give JSON, such as {}."),
        (("noop", "-i", "-"), '{\n  "a": 1,\n}', "--input: is no JSON: line 3, column 1: "),
        (("noop", "-i", "-"), "[1]", "--input: standard input holds a list and no JSON object; write one in braces,"),
        (("noop", "-i", "-"), "null", "--input: standard input holds null and no JSON object;"),
        (("noop", "-i", "-"), "3", "--input: standard input holds a number and no JSON object;"),
        (("noop", "-i", "-"), '"a"', "--input: standard input holds a text and no JSON object;"),
        (("noop", "-i", "-"), "true", "--input: standard input holds true or false and no JSON object;"),
        (("noop", "-i", "-"), b'{"a": "\xff"}', "--input: standard input is not UTF-8 at byte 7; save it as UTF-8."),
        (("noop", "-i", "-"), '{"a": NaN}', "input: cannot be stored as JSON"),
        (("noop", "-i", "-"), f'{{"a": {"[" * 100_000}', "--input: cannot be read as JSON: it is nested too deeply."),
        (("noop", "-i", "-"), f'{{"a": {"1" * 5_000}}}', "--input: cannot be read as JSON: Exceeds the limit"),
        (("noop", "-i", "-"), json.dumps({"a": "x" * 1_100_000}), "input: is 1100009 bytes long and 1048576 are"),
        (("noop", "-i", "-"), " " * (8 * 1024 * 1024 + 1), "--input: standard input is larger than 8388608 bytes;"),
        (("three_steps", "-i", "-"), '{"secnds": 1}', '"secnds": there is no such field; choose from seconds,'),
        (("noop", "-p", "urgent"), None, "--priority: 'urgent' is no priority; write low, normal, medium, high,"),
        (("noop", "-p", "101"), None, "--priority: '101' is no priority;"),
        (("noop", "--delay", "3x"), None, "--delay: '3x' is no duration; write for example 30s, 5m or 1h30m."),
        (("noop", "--delay", "367d"), None, "--delay: '367d' is longer than 366d; give a shorter time."),
        (("noop", "--group", " "), None, "group: ' ' is blank or has control characters; give a short name."),
        (("noop", "--dedup", "a\x1b[1m"), None, r"dedup: 'a\x1b[1m' is blank or has control characters;"),
        (("noop", "--correlation-id", "x" * 129), None, "correlation_id: is 129 characters long and 128 are allowed."),
    ],
    ids=lambda value: str(value)[:40].replace("\0", "0"),
)  # fmt: skip
def test_bad_input_names_the_field_and_stores_nothing(
    shell: Shell, arguments: tuple[str, ...], stdin: str | bytes | None, sentence: str
) -> None:
    with pytest.raises(BadInputError) as caught:
        shell.run("runs", "submit", *arguments, stdin=stdin)
    assert str(caught.value).startswith(sentence)
    assert caught.value.exit_code == EXIT_USAGE
    assert shell.json("runs", "list") == []


@pytest.mark.parametrize(
    "arguments",
    [("status", "x"), ("status", "0"), ("wait", "9" * 30), ("cancel",), ("list", "-s", "done"), ("list", "-n", "0")],
    ids=" ".join,
)
def test_what_cannot_be_a_number_or_a_status_is_a_wrong_call(shell: Shell, arguments: tuple[str, ...]) -> None:
    code, _, err = shell.run("runs", *arguments)
    assert code == EXIT_USAGE
    assert "Usage: roundsman runs" in err


# --- submit --wait, where no daemon is up ---


def test_without_a_daemon_the_command_drives_the_queue_itself(shell: Shell) -> None:
    shell.out("runs", "submit", "noop")
    code, out, err = shell.run("runs", "submit", "three_steps", "--wait")
    assert code == EXIT_DONE
    assert out.startswith("Run 2 of three_steps is submitted.\nRun 2: ")
    assert out.endswith("Run 2 completed after 0 ms.\n")
    assert err.startswith("roundsman: No daemon is running: driving the queue here until run 2 has ended.\n")
    assert [run["status"] for run in shell.json("runs", "list")] == ["completed", "completed"]


def test_a_run_that_fails_ends_the_command_with_1_and_its_reason(shell: Shell) -> None:
    shell.setenv("MAX_RETRY", "0")
    code, out, _ = shell.run("runs", "submit", "three_steps", "-w", "-i", "-", stdin='{"fail_at": "fetch"}')
    assert code == EXIT_FAILED
    assert "Run 1 failed after 0 ms: fetch: attempt 1 was asked to fail (attempt 1 of 1)\n" in out


def test_with_json_only_the_ended_run_is_printed(shell: Shell) -> None:
    found = shell.json("runs", "submit", "noop", "--wait")
    assert (found["id"], found["status"], found["progress"]) == (1, "completed", 100)


def test_ctrl_c_gives_the_run_back(shell: Shell) -> None:
    code, _, err = shell.run("runs", "submit", "letter", "--wait", "-i", "-", stdin='{"to": "ctrl-c"}')
    assert code == 130
    assert re.search("Interrupted: run 1 is (queued|waiting), nothing of it is lost, and whoever drives runs next", err)
    found = shell.json("runs", "status", "1")
    assert (found["failed_attempts"], found["crashes"], found["held_by"]) == (0, 0, None)


# --- wait ---


def test_wait_tells_each_change_and_ends_with_the_run(shell: Shell) -> None:
    shell.daemon()
    shell.out("runs", "submit", "letter")
    happens = iter([shell.drive, lambda: shell.out("runs", "signal", "1", "approve"), shell.drive])

    def between(seconds: float) -> None:
        assert seconds == 0.2
        next(happens)()

    shell.between = between
    code, out, err = shell.run("runs", "wait", "1")
    assert (code, err) == (EXIT_DONE, "")
    assert out.splitlines() == [
        "Run 1: queued", "Run 1: waiting for approve or reject", "Run 1: queued", "Run 1 completed after 1 ms.",
    ]  # fmt: skip


def test_wait_for_several_is_1_if_one_was_cancelled(shell: Shell) -> None:
    shell.daemon()
    for _ in range(2):
        shell.out("runs", "submit", "noop")
    shell.out("runs", "cancel", "2")
    shell.between = lambda seconds: shell.drive()
    code, out, _ = shell.run("runs", "wait", "1", "2", "2", "--json")
    assert code == EXIT_FAILED
    assert [(row["id"], row["status"]) for row in json.loads(out)] == [(1, "completed"), (2, "cancelled")]


def test_wait_has_a_limit_with_an_exit_code_of_its_own(shell: Shell) -> None:
    shell.out("runs", "submit", "noop")
    shell.between = lambda seconds: shell.clock.advance(timedelta(seconds=seconds))
    with pytest.raises(WaitTimeoutError, match=r"^Run 1 has not ended within 1\.5 s\.$") as caught:
        shell.run("runs", "wait", "1", "--timeout", "1500ms")
    assert caught.value.exit_code == 124


def test_wait_tells_when_nobody_drives_and_when_a_daemon_is_back(shell: Shell) -> None:
    shell.out("runs", "submit", "noop")
    looks = iter(range(1000))

    def between(seconds: float) -> None:
        look = next(looks)
        if look == 10:
            shell.daemon()
        if look == 40:
            shell.out("runs", "cancel", "1")

    shell.between = between
    code, _, err = shell.run("runs", "wait", "1")
    assert code == EXIT_FAILED
    assert err.splitlines() == [
        f"roundsman: {NO_DAEMON} Until then run 1 will not go on.", "roundsman: A daemon is up again.",
    ]  # fmt: skip


def test_ctrl_c_ends_the_wait_and_not_the_run(shell: Shell) -> None:
    shell.daemon()
    shell.out("runs", "submit", "noop")

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    shell.between = interrupt
    code, _, err = shell.run("runs", "wait", "1")
    assert (code, err) == (130, "roundsman: Nobody looks on any more; run 1 goes on.\n")
    assert shell.json("runs", "list")[0]["status"] == "queued"
    assert shell.run("runs", "submit", "noop", "--wait")[0] == 130


def test_wait_for_a_run_that_is_not_there_is_a_wrong_call(shell: Shell) -> None:
    with pytest.raises(BadInputError, match=r"There is no run 7; `runs list` shows those that are kept\."):
        shell.run("runs", "wait", "7")


def test_a_run_that_is_removed_meanwhile_ends_the_wait(shell: Shell) -> None:
    shell.daemon()
    shell.out("runs", "submit", "noop")

    def remove(seconds: float) -> None:
        with closing(shell.session()) as session, session.store.write() as connection:
            connection.exec_driver_sql("DELETE FROM runs")

    shell.between = remove
    with pytest.raises(RoundsmanError, match="Run 1 was removed from the store"):
        shell.run("runs", "wait", "1")


def test_a_store_that_is_away_for_a_moment_is_waited_for(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.daemon()
    shell.out("runs", "submit", "noop")
    real, looks = RunViews.sights, iter(range(1000))

    def sometimes(self: RunViews, connection: Connection, run_ids: Collection[int]) -> dict[int, Sight]:
        if next(looks) in (1, 2):
            raise StoreError("The database does not answer.")
        return real(self, connection, run_ids)

    monkeypatch.setattr(RunViews, "sights", sometimes)
    shell.between = lambda seconds: shell.drive()
    code, _, err = shell.run("runs", "wait", "1")
    assert code == EXIT_DONE
    assert err.count("roundsman: The database does not answer. Waiting for it.") == 1
