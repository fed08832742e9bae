"""kill -9 at every commit and every message of a day of alerts that are held, released, repeated, raised and ended."""

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_chats import FakeChats, chats
from sqlalchemy import select

from roundsman.repositories.engine import Store
from roundsman.repositories.tables import alert_log, alerts, channels, notification_alerts, notifications, silences

LEAST_POINTS = 60
"""Before a commit it is as after the one before."""
Live = Callable[[str | None], int]


@contextmanager
def day(store: Store, folder: Path, server: FakeChats) -> Iterator[Live]:
    """Lives on this store, one after another; each is given the point at which it dies."""
    url = store.engine.url.render_as_string(hide_password=False)
    child = Path(__file__).with_name("kept_child.py")
    path = {"PYTHONPATH": str(child.parent)}
    host = subprocess.Popen(
        [sys.executable, child], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**path}
    )
    assert host.stdin is not None
    assert host.stdout is not None
    given, answers = host.stdin, host.stdout

    def live(kill_at: str | None) -> int:
        given.write(json.dumps([url, str(folder / "progress"), f"{server.url}/api/", kill_at]) + "\n")
        given.flush()
        return int(answers.readline())

    try:
        yield live
    finally:
        host.communicate(timeout=10)


def begin_anew(store: Store, folder: Path, server: FakeChats) -> None:
    (folder / "progress").unlink(missing_ok=True)
    server.shows.clear()
    server.texts.clear()
    with store.write() as connection:
        for table in (notification_alerts, notifications, alert_log, alerts, silences, channels):
            connection.execute(table.delete())


def heard(server: FakeChats) -> Counter[str]:
    """How many messages there are about each alert, however they read now."""
    found: Counter[str] = Counter()
    for text in server.shows.get("slack:C1", {}).values():
        found.update({customer or job for customer, job in re.findall(r"incident-(\w+)-|(failing)", text)})
    return found


EXPECTED = Counter(told=2, snoozed=2, silenced=1, quiet=1, quiet2=1, failing=3)
"""Two levels, the reminder after a snooze, a digest of two, and of the job two levels and a repeat."""


def assert_all_is_well(store: Store, server: FakeChats, kill_at: str) -> None:
    found = heard(server)
    extra = found - EXPECTED
    assert not EXPECTED - found, f"{kill_at}: not everything was told: {found}"
    assert len(extra) <= 2, f"{kill_at}: more than one message was repeated: {extra}"  # a digest tells of two
    assert set(extra.values()) <= {1}, f"{kill_at}: one was repeated more than once: {extra}"
    assert "gone" not in found, kill_at
    unfinished = select(notifications.c.id).where(notifications.c.status.in_(["held", "pending", "sending"]))
    with store.read() as connection:
        assert connection.execute(unfinished).all() == [], kill_at
    alarming = [text for text in server.shows["slack:C1"].values() if "✅" not in text]
    assert len(alarming) <= len(extra), f"{kill_at}: a message goes on alarming: {alarming}"


@pytest.mark.slow
def test_whenever_it_is_killed_everything_is_told_and_one_message_at_most_twice(store: Store, tmp_path: Path) -> None:
    with chats(lambda: 0.0, seed=1, faults=0.0) as server, day(store, tmp_path, server) as live:
        server.keeps_rates = False  # they are proved elsewhere
        assert live(None) == 0
        assert_all_is_well(store, server, "without a kill")
        assert heard(server) == EXPECTED
        points = [
            name for name in json.loads((tmp_path / "progress.points").read_text()) if "before commit" not in name
        ]
        assert len(points) >= LEAST_POINTS
        for point in points:
            begin_anew(store, tmp_path, server)
            assert live(point) == -signal.SIGKILL, point
            assert live(None) == 0, point
            assert_all_is_well(store, server, point)
