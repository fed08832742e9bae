"""The tree of commands: every group loads when it is asked for, and none before."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from jobs import JOBS
from roundsman.cli import main
from roundsman.cli.commands import GROUPS, build
from roundsman.errors import EXIT_DONE, EXIT_USAGE

Capture = pytest.CaptureFixture[str]


def every_command() -> Iterator[tuple[str, ...]]:
    """All paths in the tree, groups included."""
    for name in GROUPS:
        yield (name,)
        command = build().get_command(None, name)
        yield from ((name, inner) for inner in getattr(command, "commands", {}))


def call(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(JOBS, arguments)
    said = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, said.out, said.err


@pytest.mark.parametrize("path", list(every_command()), ids=" ".join)
def test_every_command_explains_itself(capsys: Capture, path: tuple[str, ...]) -> None:
    code, out, err = call(capsys, *path, "--help")
    assert (code, err) == (EXIT_DONE, "")
    assert out.startswith(f"Usage: roundsman {' '.join(path)}")
    assert "--help" in out


def test_the_tree_holds_the_commands_that_the_design_names() -> None:
    found = {" ".join(path) for path in every_command()}
    assert {
        "run", "demo", "check-config", "status", "jobs list", "jobs run", "jobs pause", "jobs resume", "jobs next",
        "jobs history", "jobs why", "conversations import", "conversations list", "conversations due",
        "conversations calendar", "conversations why", "conversations show", "conversations simulate",
        "conversations snooze",
        "alerts list", "alerts test", "alerts why", "alerts route", "alerts ack", "alerts snooze",
        "alerts inbox", "alerts read",
        "db upgrade", "db backup",
        "runs submit", "runs status", "runs wait", "runs list", "runs logs", "runs cancel",
        "runs pause", "runs resume", "runs signal", "runs retry", "runs why", "runs workflows",
        "runs diagram", "queue status", "queue dead", "queue replay",
    } <= found  # fmt: skip


def test_the_root_lists_every_group_in_one_line(capsys: Capture) -> None:
    code, out, _ = call(capsys, "--help")
    assert code == EXIT_DONE
    for name, (_module, words) in GROUPS.items():
        assert f"  {name} " in out
        assert words.split()[0] in out


@pytest.mark.parametrize(
    "arguments",
    [(), ("frobnicate",), ("jobs",), ("jobs", "frobnicate"), ("jobs", "run"), ("status", "--loud"), ("run", "now")],
    ids=lambda arguments: " ".join(arguments) or "nothing",
)
def test_a_wrong_call_is_told_how_to_call_with_exit_code_2(capsys: Capture, arguments: tuple[str, ...]) -> None:
    code, out, err = call(capsys, *arguments)
    assert code == EXIT_USAGE
    assert "Usage: roundsman" in out + err


def test_a_hidden_command_is_not_advertised(capsys: Capture) -> None:
    _, out, _ = call(capsys, "jobs", "--help")
    assert "isolated" not in out


def test_help_costs_no_library_that_only_a_command_needs() -> None:
    heavy = ["sqlalchemy", "rich", "alembic", "psycopg", "slack_sdk", "requests", "apscheduler", "pymongo"]
    program = (
        "import sys\nfrom roundsman.cli import main\n"
        "try:\n    main((), ['--help'])\nexcept SystemExit:\n    pass\n"
        f"found = [name for name in {heavy!r} if name in sys.modules]\n"
        "sys.stderr.write(' '.join(found))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stderr == ""
