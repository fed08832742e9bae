"""`roundsman runs`: look at runs and decide about them. And `roundsman queue`."""

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from cli_shell import Capture, Shell

from roundsman.clock import ManualClock
from roundsman.errors import EXIT_FAILED, EXIT_USAGE, BadInputError, QueueError, RoundsmanError
from roundsman.repositories.engine import Store
from roundsman.runs.interventions import RunBusyError

NO_DAEMON = "No daemon is running on this store: start one with `roundsman run`."
FAILING = '{"fail_at": "work", "fail_times": 9, "note": "two words"}'


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


@pytest.fixture
def failed(shell: Shell) -> Shell:
    """Run 1 has failed at its second step, and its message is a dead letter."""
    shell.setenv("MAX_RETRY", "0")
    shell.out("runs", "submit", "three_steps", "-i", "-", stdin=FAILING)
    shell.drive()
    return shell


# --- status ---


def test_status_tells_everything_in_blocks(failed: Shell) -> None:
    out = failed.out("runs", "status", "1")
    head, *_ = out.splitlines()
    assert head == "Run 1 of three_steps: failed: work: attempt 1 was asked to fail (attempt 1 of 1)"
    for line in (
        "  state           working, since 2026-03-03 04:00:00 UTC, 0 ms ago",
        "  priority        5 (normal)",
        "  kept until      2026-03-04 04:00:00 UTC, in 24 h 00 min",
        '  input           {"fail_at": "work", "fail_times": 9, "note": "two words"}',
        '  data            {"text": "two words"}',
        "  error           work: attempt 1 was asked to fail (attempt 1 of 1)",
        "0    fetch  fetching -> working  fetched  1        0 ms",
    ):
        assert line in out


def test_status_speaks_json_with_every_step(failed: Shell) -> None:
    found = failed.json("runs", "status", "1")
    assert (found["id"], found["status"], found["state"], found["retried_as"]) == (1, "failed", "working", [])
    (step,) = found["steps"]
    assert (step["name"], step["event"], step["target"], step["took_s"]) == ("fetch", "fetched", "working", 0.0)
    assert step["result"] == {"text": "two words"}


def test_status_cuts_what_is_long_and_tells_how_long_it_is(shell: Shell) -> None:
    shell.out("runs", "submit", "noop", "-i", "-", stdin=json.dumps({"a": "x" * 5000}))
    assert "xx... (5009 characters; --json shows all)" in shell.out("runs", "status", "1")


def test_what_runs_say_cannot_drive_the_terminal(shell: Shell) -> None:
    shell.setenv("MAX_RETRY", "0")
    shell.out("runs", "submit", "letter", "-i", "-", stdin='{"to": "nobody"}')
    shell.drive()
    shell.out("runs", "signal", "1", "approve")
    shell.drive()
    shell.say_in_run(1, "red \x9b31m\nRun 2 completed.\tso")
    for command in (("status", "1"), ("logs", "1"), ("why", "1"), ("list",), ("logs", "1", "--json")):
        out = shell.out("runs", *command)
        assert not any(char in out for char in "\x1b\x9b\r\x07")
    assert "nobody lives �[31mthere" in shell.out("runs", "list")
    out = shell.out("queue", "dead")
    assert "nobody lives" in out
    assert "\x1b" not in out


# --- list, workflows, diagram ---


def test_list_is_newest_first_and_can_be_narrowed(failed: Shell) -> None:
    failed.out("runs", "submit", "noop", "--group", "g")
    assert [run["id"] for run in failed.json("runs", "list")] == [2, 1]
    for chosen, ids in [
        (("-w", "noop"), [2]), (("-s", "FAILED"), [1]), (("-s", "failed", "-s", "queued"), [2, 1]),
        (("--group", "g"), [2]), (("-n", "1"), [2]), (("-s", "paused"), []),
    ]:  # fmt: skip
        assert [run["id"] for run in failed.json("runs", "list", *chosen)] == ids
    header, second, first = failed.out("runs", "list").splitlines()
    assert header.split() == ["RUN", "WORKFLOW", "STATE", "SUBMITTED", "TOOK", "STATUS"]
    assert second.split() == ["2", "noop", "new", "2026-03-03", "04:00:00", "UTC", "queued"]
    assert "failed: work: attempt 1 was asked to fail" in first
    assert failed.out("runs", "list", "-s", "paused") == "No such runs.\n"
    with pytest.raises(BadInputError, match="did you mean 'noop'"):
        failed.run("runs", "list", "-w", "nop")
    for option in ("--workflow", "--group"):
        with pytest.raises(BadInputError, match=r"'x\\udcff' is no name"):
            failed.run("runs", "list", option, "x\udcff")  # bytes of a shell that are no UTF-8


def test_workflows_tell_their_facts_and_runs(shell: Shell) -> None:
    shell.setenv("WORKFLOW_NOOP_RATE", "30/min")
    shell.setenv("WORKFLOW_NOOP_CONCURRENCY", "2")
    shell.out("runs", "submit", "noop")
    noop, *_ = shell.json("runs", "workflows")
    assert noop == {
        "workflow": "noop", "about": "Takes any input.", "states": ["new", "done"], "step_timeout_s": 300.0,
        "attempts": 4, "concurrency": 2, "rate": {"count": 30, "per_s": 60.0}, "backoff_s": 2.0, "kept_for_s": 86400.0,
        "runs": {"queued": 1},
    }  # fmt: skip
    assert "30 in 1 min 00 s" in shell.out("runs", "workflows")


def test_diagram_draws_in_two_languages(shell: Shell) -> None:
    assert shell.out("runs", "diagram", "noop").startswith("stateDiagram-v2\n")
    assert shell.out("runs", "diagram", "noop", "--format", "dot").startswith('digraph "noop" {\n')
    with pytest.raises(BadInputError, match="there is no workflow 'noob'"):
        shell.run("runs", "diagram", "noob")


# --- logs ---


def test_logs_are_told_with_their_time_level_and_step(shell: Shell) -> None:
    shell.out("runs", "submit", "letter", "-i", "-", stdin='{"to": "Mai"}')
    assert shell.out("runs", "logs", "1") == "Run 1 has said nothing so far.\n"
    shell.drive()
    assert shell.out("runs", "logs", "1").splitlines() == [
        "2026-03-03 04:00:00 INFO    write        Dear Mai,", "    how are you? �[2J",
    ]  # fmt: skip
    (line,) = shell.json("runs", "logs", "1")
    assert (line["level"], line["step"], line["message"]) == ("info", "write", "Dear Mai,\nhow are you? \x1b[2J")


def test_logs_follow_a_run_to_its_end_over_many_pages(shell: Shell) -> None:
    shell.out("runs", "submit", "noop")
    happens: Iterator[Callable[[], object]] = iter(
        [
            lambda: shell.say_in_run(1, *(f"line {number}" for number in range(2_500))),
            lambda: shell.say_in_run(1, "nearly"),
            lambda: shell.out("runs", "cancel", "1"),
        ]
    )
    shell.between = lambda seconds: next(happens)()
    lines = [json.loads(line) for line in shell.out("runs", "logs", "1", "--follow", "--json").splitlines()]
    assert [line["message"] for line in lines] == [*(f"line {number}" for number in range(2_500)), "nearly"]
    assert shell.out("runs", "logs", "1", "--follow").count("\n") == 2_501


def test_logs_of_no_run_are_a_wrong_call(shell: Shell) -> None:
    with pytest.raises(BadInputError, match="There is no run 3"):
        shell.run("runs", "logs", "3")


# --- decisions ---


def test_cancel_goes_on_behind_a_run_that_cannot_be_cancelled(failed: Shell) -> None:
    failed.out("runs", "submit", "noop")
    code, out, err = failed.run("runs", "cancel", "1", "2", "77")
    assert code == EXIT_USAGE
    assert out == "Run 2 is cancelled; it was queued.\n"
    assert err.splitlines() == [
        "roundsman: Run 1 is failed already; there is nothing to cancel.",
        "roundsman: There is no run 77; `runs list` shows those that are kept.",
    ]
    assert failed.run("runs", "cancel", "2")[0] == EXIT_FAILED


def test_pause_and_resume(shell: Shell) -> None:
    shell.daemon()
    shell.out("runs", "submit", "noop")
    assert shell.out("runs", "pause", "1") == "Run 1 is paused; `roundsman runs resume 1` lets it go on.\n"
    shell.drive()
    assert shell.json("runs", "list")[0]["status"] == "paused"
    assert shell.out("runs", "resume", "1") == "Run 1 goes on.\n"
    shell.drive()
    code, _, err = shell.run("runs", "resume", "1")
    assert (code, err) == (EXIT_FAILED, "roundsman: Run 1 is completed, not paused; there is nothing to resume.\n")


def test_signal_carries_data_from_the_line_or_from_a_file(shell: Shell) -> None:
    for _ in range(2):
        shell.out("runs", "submit", "letter")
    shell.drive()
    with pytest.raises(RunBusyError, match="Run 1 waits for approve, reject; 'aprove' was not taken"):
        shell.run("runs", "signal", "1", "aprove")
    with pytest.raises(BadInputError, match="--data: is no JSON: line 1, column 1: "):
        shell.run("runs", "signal", "1", "approve", "--data", "fine")
    out = shell.out("runs", "signal", "1", "approve", "--data", '"fine"')
    assert out == f"Run 1 took approve and goes on in the state 'sending'.\n{NO_DAEMON}\n"
    (shell.folder / "why.json").write_text('{"by": "Lan"}')
    out = shell.out("runs", "signal", "2", "reject", "--data", "@why.json")
    assert out == "Run 2 took reject and is cancelled, in the state 'dropped'.\n"
    assert shell.json("runs", "status", "2")["data"]["reject"] == {"by": "Lan"}


def test_retry_repeats_with_another_input_and_keeps_the_lineage(failed: Shell) -> None:
    out = failed.out("runs", "retry", "1", "--edit", "-", stdin='{"note": "mended"}')
    assert out == (
        f"Run 2 repeats run 1 from the state 'working' on; 1 recorded units of run 1 are not done again.\n{NO_DAEMON}\n"
    ).replace("1 recorded units of run 1 are", "1 recorded unit of run 1 is")
    failed.drive()
    again = failed.json("runs", "status", "2")
    assert (again["status"], again["retry_of"], again["data"]["summary"]) == ("completed", 1, "The note has 2 words.")
    assert failed.json("runs", "status", "1")["retried_as"] == [2]
    assert "  retried as      run 2\n" in failed.out("runs", "status", "1")
    assert "  retry of        run 1, from 1 of its record on\n" in failed.out("runs", "status", "2")


def test_retry_from_a_step_and_its_faults(failed: Shell) -> None:
    assert failed.json("runs", "retry", "1", "--from", "fetch") == {
        "id": 2,
        "retry_of": 1,
        "state": "fetching",
        "kept": 0,
    }
    with pytest.raises(BadInputError, match=r"--from: run 1 has no recorded step 'fech'; recorded are fetch\."):
        failed.run("runs", "retry", "1", "--from", "fech")
    with pytest.raises(BadInputError, match='"nte": there is no such field'):
        failed.run("runs", "retry", "1", "--edit", "-", stdin='{"nte": 1}')
    with pytest.raises(RunBusyError, match="Run 2 is queued; only a finished run is retried"):
        failed.run("runs", "retry", "2")


# --- why ---


def test_why_finds_what_holds_a_run_back(shell: Shell) -> None:
    shell.daemon()
    for group in ("g", "g", "h"):
        shell.out("runs", "submit", "noop", "--group", group)
    assert shell.json("runs", "why", "1")["why"] == ["Nothing holds it back: it is taken as soon as a worker is free."]
    assert shell.out("runs", "why", "2").splitlines() == [
        "Run 2 of noop (queued): It waits for its group 'g', which goes one run at a time: run 1 is first."
    ]
    assert shell.json("runs", "why", "3")["why"] == ["1 message is before it in the queue."]


def test_why_knows_when_a_rate_lets_it_pass(shell: Shell) -> None:
    shell.setenv("WORKFLOW_NOOP_RATE", "1/min")
    for _ in range(2):
        shell.out("runs", "submit", "noop")
    shell.drive()
    shell.daemon()
    (sentence,) = shell.json("runs", "why", "2")["why"]
    assert sentence.startswith(
        "The rate of noop, 1 in 1 min 00 s, is used up: the next one may begin at 2026-03-03 04:01"
    )


def test_why_misses_a_message_that_is_gone(shell: Shell) -> None:
    shell.daemon()
    shell.out("runs", "submit", "noop")
    with closing(shell.session()) as session, session.store.write() as connection:
        connection.exec_driver_sql("DELETE FROM queue_messages")
    (sentence,) = shell.json("runs", "why", "1")["why"]
    assert sentence.startswith("Its message is not in the queue (local): a daemon sends it in one of its next rounds")


def test_why_of_a_disabled_poller_names_the_setting(shell: Shell) -> None:
    shell.setenv("JOB_QUEUE_POLLER_ENABLED", "off")
    shell.daemon()
    shell.out("runs", "submit", "noop")
    assert "see that JOB_QUEUE_POLLER_ENABLED is not off there, and restart it." in shell.out("runs", "why", "1")


# --- queue ---


def test_queue_status_and_why_tell_of_a_daemon_that_goes_by_other_settings(shell: Shell) -> None:
    shell.out("runs", "submit", "noop")
    shell.daemon()
    assert shell.json("queue", "status")["others"] == []
    shell.daemon(workers=2)
    (sentence,) = shell.json("queue", "status")["others"]
    assert sentence.startswith(
        "The daemon on box (process 17) goes by other settings than this command: WORKER_CONCURRENCY is 2 (here "
    )
    assert sentence in shell.out("queue", "status")
    assert shell.json("runs", "why", "1")["why"][-1] == sentence


def test_queue_status_counts_by_workflow_and_tells_the_limits(failed: Shell) -> None:
    failed.setenv("WORKFLOW_NOOP_CONCURRENCY", "3")
    failed.out("runs", "submit", "noop")
    failed.out("runs", "submit", "noop", "--delay", "5m")
    failed.clock.advance(timedelta(seconds=30))
    found = failed.json("queue", "status")
    assert (found["queue"], found["unsent"], found["nobody"]) == ("local", 0, NO_DAEMON)
    noop = next(row for row in found["workflows"] if row["workflow"] == "noop")
    assert (noop["ready"], noop["delayed"], noop["concurrency"]) == (1, 1, 3)
    assert next(row for row in found["workflows"] if row["workflow"] == "three_steps")["dead"] == 1
    first, header, line, *_ = failed.out("queue", "status").splitlines()
    assert first.startswith("Queue: local, in /")
    assert header.split() == ["WORKFLOW", "READY", "DELAYED", "HELD", "LEASED", "DEAD", "OLDEST", "CONCURRENCY", "RATE"]
    assert line.split() == ["noop", "1", "1", "0", "0", "0", "30.0", "s", "3", "no", "limit"]


def test_dead_letters_are_listed_by_run_and_replayed(failed: Shell) -> None:
    (letter,) = failed.json("queue", "dead")
    assert (letter["run"], letter["workflow"]) == (1, "three_steps")
    assert letter["reason"].startswith("work: attempt 1 was asked to fail")
    assert failed.json("queue", "dead", "--workflow", "noop") == []
    assert failed.out("queue", "replay", "1") == f"Run 1 goes on.\n{NO_DAEMON}\n"
    assert failed.out("queue", "dead") == "No dead letters.\n"
    failed.drive()
    assert failed.json("queue", "replay", "--all") == {"replayed": [1], "not": {}}


def test_a_replay_of_a_run_that_was_retried_says_why_not(failed: Shell) -> None:
    failed.out("runs", "retry", "1")
    with pytest.raises(RoundsmanError, match=r"Run 1 does not go on: it was retried as run 2\."):
        failed.run("queue", "replay", "1")
    assert failed.out("queue", "replay", "--workflow", "three_steps").startswith("No dead letter of a failed run")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Name the runs to replay, or give --all, or --workflow; one of the three."),
        (("1", "--all"), "Name the runs to replay"),
        (("7",), "There is no dead letter of run 7; `queue dead` lists them."),
        (("--workflow", "nop"), "workflow: there is no workflow 'nop'"),
    ],
)
def test_a_wrong_replay_is_one_sentence(shell: Shell, arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(BadInputError) as caught:
        shell.run("queue", "replay", *arguments)
    assert str(caught.value).startswith(sentence)


# --- a queue that is away ---


@pytest.fixture
def away(shell: Shell) -> Shell:
    """The queue is a Redis that is not there."""
    shell.setenv("QUEUE_TYPE", "redis")
    shell.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    return shell


def test_a_run_that_the_queue_could_not_take_is_stored_and_said_to_be(away: Shell) -> None:
    out = away.out("runs", "submit", "noop")
    assert out.startswith("Run 1 of noop is submitted: it is stored, and is sent as soon as the queue takes it. ")
    assert away.json("runs", "submit", "noop")["unsent"].startswith("redis 127.0.0.1:1/0 cannot be reached")
    away.daemon()
    (sentence,) = away.json("runs", "why", "1")["why"]
    assert sentence.startswith("Its message is not in the queue (redis 127.0.0.1:1/0): a daemon sends it")


def test_status_stays_well_when_the_queue_is_away(away: Shell) -> None:
    away.out("runs", "submit", "noop")
    out = away.out("status")
    assert "Runs: 1 queued  (roundsman runs list)\n" in out
    assert "Queue redis 127.0.0.1:1/0 does not answer: " in out
    assert away.json("status")["queue"]["fault"] is not None
    with pytest.raises(QueueError, match=r"127\.0\.0\.1:1"):
        away.run("queue", "status")


def test_status_counts_runs_and_what_lies_in_the_queue(failed: Shell) -> None:
    failed.out("runs", "submit", "noop")
    out = failed.out("status")
    assert "Runs: 1 queued  (roundsman runs list)\nQueue local: 1 ready, 1 dead  (roundsman queue status)\n" in out
    found = failed.json("status")
    assert (found["runs"], found["queue"]["ready"], found["queue"]["fault"]) == ({"queued": 1}, 1, None)


# --- the same on PostgreSQL ---


@pytest.mark.postgres
def test_the_looks_work_on_postgresql(shell: Shell, postgres_store: Store) -> None:
    url = postgres_store.options.url.set(drivername="postgresql")
    shell.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    shell.setenv("MAX_RETRY", "0")
    shell.setenv("WORKFLOW_NOOP_RATE", "5/s")
    for group in ("g", "g"):
        shell.out("runs", "submit", "noop", "--group", group)
    shell.daemon()
    shell.out("runs", "submit", "letter")
    assert shell.json("runs", "why", "2")["why"][0].startswith("It waits for its group 'g'")
    assert shell.json("runs", "why", "3")["why"] == ["1 message is before it in the queue."]
    assert shell.json("status")["queue"]["held"] == 1
    shell.clock.advance(timedelta(minutes=5))  # the daemon is silent by now
    shell.out("runs", "submit", "three_steps", "--priority", "0", "--wait")
    found = {run["id"]: run["status"] for run in shell.json("runs", "list")}
    assert (found[1], found[4]) == ("completed", "completed")
    with pytest.raises(RunBusyError, match="Run 4 is completed and waits for no event"):
        shell.run("runs", "signal", "4", "approve")
    assert shell.json("runs", "retry", "4")["id"] == 5
    assert shell.json("runs", "status", "4")["retried_as"] == [5]
    assert shell.json("runs", "logs", "3")[0]["step"] == "write"
