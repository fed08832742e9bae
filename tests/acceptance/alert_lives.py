"""Lives of processes that tell a fake Slack of incidents, one after another on one store, until they are killed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fake_slack import FakeSlack, listening


class Lives:
    """Starts one process after another on the same store, and kills them."""

    def __init__(self, child: str, folder: Path, slack: FakeSlack) -> None:
        self.incidents = folder / "incidents"
        self.incidents.touch()
        self._host = subprocess.Popen(
            [
                sys.executable,
                Path(__file__).with_name(child),
                folder / "roundsman.db",
                self.incidents,
                slack.url,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def more_incidents(self, count: int) -> None:
        with self.incidents.open("a") as file:
            file.write("x" * count)

    def begin(self) -> int:
        assert self._host.stdin is not None
        assert self._host.stdout is not None
        self._host.stdin.write("live\n")
        self._host.stdin.flush()
        return int(self._host.stdout.readline())

    def close(self) -> None:
        self._host.communicate(timeout=10)


@contextmanager
def lives_of(child: str, folder: Path, seed: int = 0) -> Iterator[tuple[Lives, FakeSlack]]:
    with listening(seed) as slack:
        lives = Lives(child, folder, slack)
        try:
            yield lives, slack
        finally:
            lives.close()
