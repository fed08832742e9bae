"""`roundsman alerts silence` as a person calls it, in this process, on a real store."""

from pathlib import Path

import pytest
from alert_samples import KIND, unreplied
from cli_shell import Shell

from roundsman.cli.session import Session
from roundsman.clock import ManualClock
from roundsman.errors import BadInputError


@pytest.fixture
def shell(
    tmp_path: Path, clock: ManualClock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    monkeypatch.setenv("SUDO_USER", "minh")
    return Shell(tmp_path, clock, capsys, monkeypatch)


def fire(session: Session) -> None:
    with session.app.book.transaction("conversation_monitor") as desk:
        desk.fire(unreplied("100_1", session.clock.now()))


def test_a_silence_from_its_beginning_to_its_end(shell: Shell) -> None:
    shell.store(fire)
    said = shell.out("alerts", "silence", "add", f"kind={KIND}", "--for", "2h", "--reason", "moving house")
    assert said == (
        f"Silence 1: kind={KIND}, until 2026-03-03 06:00:00 UTC.\n"
        "It means 1 of 1 open alerts and keeps 1 message back.\n"
    )
    assert "console held until" in shell.out("alerts", "list")
    said = shell.out("alerts", "why", "1")
    assert "held on console until 2026-03-03 06:00:00: silence 1 of minh (moving house)" in said
    assert "in force" in shell.out("alerts", "silence", "list")
    assert shell.out("alerts", "silence", "end", "1") == "Silence 1 is ended.\n"
    (row,) = shell.json("alerts", "silence", "list")
    assert (row["state"], row["matchers"], row["ended_by"]) == ("over", [f"kind={KIND}"], "minh")
    with pytest.raises(BadInputError, match="Silence 1 is over already"):
        shell.run("alerts", "silence", "end", "1")


def test_planned_work_is_silenced_beforehand(shell: Shell) -> None:
    shell.out("alerts", "silence", "add", "kind=page_stale", "--in", "1h", "--for", "30m", "--reason", "new line")
    assert "to come" in shell.out("alerts", "silence", "list")


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["kind", "--for", "2h", "--reason", "x"], "MATCHER 'kind' is no matcher; write name=value"),
        (["kind=~(a+)+", "--for", "2h", "--reason", "x"], r"MATCHER 'kind=~\(a\+\)\+'"),
        (["kind=a", "--for", "91d", "--reason", "x"], "a silence lasts between 1s and 90d"),
        (["kind=a", "--for", "2x", "--reason", "x"], "--for"),
        (["kind=a", "--for", "2h", "--reason", "  "], "--reason: write why"),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing(shell: Shell, arguments: list[str], fault: str) -> None:
    with pytest.raises(BadInputError, match=fault):
        shell.run("alerts", "silence", "add", *arguments)
    assert shell.out("alerts", "silence", "list") == "No silences.\n"


def test_an_unknown_silence_is_named(shell: Shell) -> None:
    with pytest.raises(BadInputError, match="There is no silence 7"):
        shell.run("alerts", "silence", "end", "7")
