"""Commands in a poor environment: standard streams that are closed, a working folder that is gone."""

import subprocess
import sys
from pathlib import Path

import pytest

from roundsman.errors import EXIT_CONFIGURATION, EXIT_DONE, EXIT_USAGE

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


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = f"cd gone && rmdir ../gone && exec {sys.executable} {PRODUCT} check-config"
    ran = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (EXIT_CONFIGURATION, "")
    assert ran.stderr == (
        "roundsman: The folder that this was started in is gone (No such file or directory); start it in another one.\n"
    )


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
