"""`roundsman runs events`: what was not delivered is listed, and what was given up is sent again on request."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from cli_shell import Capture, Shell
from outbox_samples import REFUSED, Receiver, drain, failing, put

from roundsman.cli.session import Session
from roundsman.clock import ManualClock
from roundsman.errors import EXIT_USAGE, BadInputError
from roundsman.owner import Owner
from roundsman.runs.outbox import Outbox


@pytest.fixture
def shell(tmp_path: Path, clock: ManualClock, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, clock, capsys, monkeypatch)


@pytest.fixture
def trouble(shell: Shell, clock: ManualClock) -> Shell:
    """Run 1's first event was given up, its second waits for its time, run 2's waits."""

    def fill(session: Session) -> None:
        put(session.store, clock, (1, "run.waiting"), sink="webhook")
        receiver = Receiver(name="webhook", fails=failing(REFUSED))
        drain(Outbox(session.store, clock, Owner.this_process(), [receiver]), "webhook")
        clock.advance(timedelta(seconds=1))
        put(session.store, clock, (1, "run.completed"), (2, "run.failed"), sink="webhook")
        put(session.store, clock, (2, "run.failed"), sink="journal")

    shell.store(fill)
    return shell


def test_nothing_is_said_in_words(shell: Shell) -> None:
    assert shell.out("runs", "events", "list") == "No run events.\n"
    assert shell.out("runs", "events", "list", "--state", "given-up") == "No such run events.\n"
    assert shell.json("runs", "events", "list") == []
    assert shell.out("runs", "events", "retry", "--all") == "No such event was given up; nothing is sent again.\n"


def test_the_newest_come_first_with_their_reasons(trouble: Shell) -> None:
    found = trouble.json("runs", "events", "list")
    assert [each["id"] for each in found] == ["2-4", "2-3", "1-2", "1-1"]
    assert found[-1] == {
        "id": "1-1", "event": "run.waiting", "run": 1, "workflow": "noop", "sink": "webhook", "state": "given-up",
        "at": "2026-03-03T04:00:00Z", "attempts": 1, "next_at": None, "given_up_at": "2026-03-03T04:00:00Z",
        "error": "it answered HTTP 422",
    }  # fmt: skip
    header, *lines = trouble.out("runs", "events", "list").splitlines()
    assert header.split() == ["ID", "EVENT", "WORKFLOW", "SINK", "HAPPENED", "STATE", "ATTEMPTS", "REASON"]
    assert lines[-1].split()[:4] == ["1-1", "run.waiting", "noop", "webhook"]
    assert "given up" in lines[-1]
    assert lines[-1].endswith("it answered HTTP 422")


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--state", "given-up"], ["1-1"]),
        (["--state", "waiting"], ["2-4", "2-3", "1-2"]),
        (["--state", "delivering"], []),
        (["--sink", "journal"], ["2-4"]),
        (["--run", "1"], ["1-2", "1-1"]),
        (["--run", "1", "--limit", "1"], ["1-2"]),
    ],
)
def test_they_are_chosen_by_state_sink_and_run(trouble: Shell, options: list[str], ids: list[str]) -> None:
    assert [each["id"] for each in trouble.json("runs", "events", "list", *options)] == ids


@pytest.mark.parametrize("chosen", [["1-1"], ["--all"], ["--sink", "webhook"], ["--run", "1"]])
def test_what_was_given_up_is_sent_again_before_what_waits(
    trouble: Shell, clock: ManualClock, chosen: list[str]
) -> None:
    assert trouble.json("runs", "events", "retry", *chosen) == {"sent_again": ["1-1"]}
    receiver = Receiver(name="webhook")
    trouble.store(lambda session: drain(Outbox(session.store, clock, Owner.this_process(), [receiver]), "webhook"))
    assert [name for run, name in receiver.told if run == 1] == ["run.waiting", "run.completed"]
    assert trouble.json("runs", "events", "list", "--sink", "webhook") == []


def test_it_says_when_nobody_delivers(trouble: Shell) -> None:
    trouble.setenv("RUN_EVENTS_JOURNAL", "on")
    out = trouble.out("runs", "events", "retry", "1-1")
    assert out.splitlines() == [
        "1 event is sent again.",
        "In these settings nobody delivers to webhook: see RUN_EVENTS_URL and RUN_EVENTS_JOURNAL.",
    ]


def test_it_says_when_no_daemon_is_up(trouble: Shell) -> None:
    trouble.setenv("RUN_EVENTS_URL", "https://hooks.example.org/x")
    trouble.setenv("RUN_EVENTS_SECRET", "a secret of sixteen")
    out = trouble.out("runs", "events", "retry", "1-1")
    assert out.splitlines()[-1] == "No daemon is running on this store: start one with `roundsman run`."
    assert "https://hooks" not in json.dumps(trouble.json("runs", "events", "list"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name the events to send again, or give --all, or --sink and --run; one of the three."),
        (["1-1", "--all"], "Name the events to send again, or give --all, or --sink and --run; one of the three."),
        (["first"], "'first' is no event; give its id as `runs events list` shows it, such as 42-17."),
        (["1-1", "7-99"], "There is no event 7-99: it has arrived, or was removed 30 days after it was given up."),
        (["7-1"], "There is no event 7-1: it has arrived, or was removed 30 days after it was given up."),
        (["1-1", "1-2"], "Event 1-2 was not given up: it is waiting, and will be tried by itself."),
    ],
)
def test_what_makes_no_sense_changes_nothing(trouble: Shell, arguments: list[str], words: str) -> None:
    with pytest.raises(BadInputError) as caught:
        trouble.run("runs", "events", "retry", *arguments)
    assert (str(caught.value), caught.value.exit_code) == (words, EXIT_USAGE)
    assert [each["id"] for each in trouble.json("runs", "events", "list", "--state", "given-up")] == ["1-1"]
