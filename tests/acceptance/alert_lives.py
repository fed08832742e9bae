"""Lives of processes that tell a fake Slack or Telegram of incidents, one after another, until they are killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_chats import FakeChats, chats
from fake_slack import FakeSlack, listening
from sqlalchemy import func, select

from roundsman.repositories.engine import Store
from roundsman.repositories.tables import alerts, notifications


class Lives:
    """Starts one process after another on the same store, and kills them."""

    def __init__(self, child: str, folder: Path, service: str, url: str) -> None:
        self.incidents = folder / "incidents"
        self.incidents.touch()
        self._host = subprocess.Popen(
            [
                sys.executable,
                Path(__file__).with_name(child),
                folder / "roundsman.db",
                self.incidents,
                service,
                url,
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

    def killed_at_random(
        self, kills: int, incidents: int, within_s: tuple[float, float], chance: random.Random
    ) -> None:
        """So many lives, each with so many more incidents, and killed at some moment within these seconds."""
        for _ in range(kills):
            self.more_incidents(incidents)
            pid = self.begin()
            time.sleep(chance.uniform(*within_s))
            os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        self._host.communicate(timeout=10)


@contextmanager
def lives_of(child: str, folder: Path, seed: int = 0) -> Iterator[tuple[Lives, FakeSlack]]:
    with listening(seed) as slack:
        lives = Lives(child, folder, "slack", slack.url)
        try:
            yield lives, slack
        finally:
            lives.close()


@contextmanager
def lives_on_telegram(child: str, folder: Path, seed: int = 0) -> Iterator[tuple[Lives, FakeChats]]:
    """As above, with Telegram in the place of Slack; every third of its answers takes a while."""
    with chats(time.monotonic, seed=seed, faults=0.3) as server:
        server.keeps_rates, server.kinds = False, ["slow"]
        lives = Lives(child, folder, "telegram", server.url)
        try:
            yield lives, server
        finally:
            lives.close()


def until_nothing_waits(store: Store, opened: int, over: int, patience_s: float) -> None:
    """Until so many alerts were opened, so many of them have ended, and everything about them was told."""
    deadline = time.monotonic() + patience_s
    every = select(func.count()).select_from(alerts)
    ended = every.where(alerts.c.resolved_at.is_not(None))
    waiting = select(func.count()).select_from(notifications).where(notifications.c.status.in_(["pending", "sending"]))
    while time.monotonic() < deadline:
        with store.read() as connection:
            counts = [connection.execute(query).scalar_one() for query in (every, ended, waiting)]
        if counts == [opened, over, 0]:
            return
        time.sleep(0.05)
    pytest.fail(f"after {patience_s:.0f} s there are {counts} alerts, ended ones, and notifications that wait")
