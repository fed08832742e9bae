"""Commands and the log with standard streams that were closed before we began."""

import subprocess
import sys
from pathlib import Path

import pytest

from roundsman.errors import EXIT_DONE, EXIT_USAGE

PRODUCT = Path(__file__).parents[2] / "daemon.py"


def run(words: str, redirection: str, folder: Path) -> tuple[int, str]:
    command = f"{sys.executable} {PRODUCT} {words} {redirection}"
    ran = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_closed_stream_changes_no_exit_code(redirection: str, tmp_path: Path) -> None:
    for words, code in (("check-config", EXIT_DONE), ("jobs run nope", EXIT_USAGE)):
        found, said = run(words, redirection, tmp_path)
        assert found == code, said
        assert "Traceback" not in said


def test_the_numbers_of_closed_streams_are_not_given_to_others(tmp_path: Path) -> None:
    program = (
        "import os, socket\n"
        "from roundsman.cli.streams import open_closed_streams\n"
        "open_closed_streams()\n"
        "with open('found', 'w') as found:\n"
        "    print(socket.socket().fileno() > 2, *[os.readlink(f'/proc/self/fd/{n}') for n in (0, 1, 2)], file=found)\n"
    )
    command = 'exec "$0" -c "$1" <&- >&- 2>&-'
    subprocess.run(["sh", "-c", command, sys.executable, program], cwd=tmp_path, timeout=60, check=True)
    assert (tmp_path / "found").read_text().split() == ["True", "/dev/null", "/dev/null", "/dev/null"]
