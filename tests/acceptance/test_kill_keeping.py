"""kill -9 at every commit and every message of a day of alerts that are held, released, repeated, raised and ended."""

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_chats import FakeChats, chats
from sqlalchemy import select

from roundsman.repositories.engine import Store
from roundsman.repositories.tables import alert_log, alerts, channels, notification_alerts, notifications, silences

LEAST_POINTS = 60
Live = Callable[[str | None], int]


@contextmanager
def day(store: Store, folder: Path, service: str, server: FakeChats) -> Iterator[Live]:
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
        given.write(json.dumps([url, str(folder / "progress"), service, server.url, kill_at]) + "\n")
        given.flush()
        return int(answers.readline())

    try:
        yield live
    finally:
        host.communicate(timeout=10)


def begin_anew(store: Store, folder: Path, server: FakeChats) -> None:
    (folder / "progress").unlink(missing_ok=True)
    server.forget()
    with store.write() as connection:
        for table in (notification_alerts, notifications, alert_log, alerts, silences, channels):
            connection.execute(table.delete())


def about(text: str) -> set[str]:
    """The alerts that a message is about, however it reads now."""
    return {customer or job for customer, job in re.findall(r"incident-(\w+)-|(failing)", text)}


def heard(shown: Mapping[int, str]) -> Counter[str]:
    """How many messages there are about each alert."""
    return Counter(name for text in shown.values() for name in about(text))


EXPECTED = Counter(told=2, snoozed=2, silenced=1, quiet=1, quiet2=1, failing=3)
"""Two levels, the reminder after a snooze, a digest of two, and of the job two levels and a repeat."""


def assert_all_is_well(store: Store, shown: Mapping[int, str], service: str, kill_at: str) -> None:
    found = heard(shown)
    assert not EXPECTED - found, f"{kill_at}: not everything was told: {found}"
    assert "gone" not in found, kill_at
    alarming = {number: text for number, text in shown.items() if "✅" not in text}
    if service == "slack":  # it is asked what stands there already, so nothing is told twice
        assert (found, alarming) == (EXPECTED, {}), kill_at
    # The copy of which nobody knows the number cannot be edited, so the end comes as one more message
    assert len(alarming) <= 1, f"{kill_at}: more than one message was repeated: {alarming}"
    extra = found - EXPECTED
    for number, text in alarming.items():
        assert set(extra) == about(text), kill_at
        assert set(extra.values()) == {2}, f"{kill_at}: one repeat, and its end: {extra}"
        assert [
            last for last, other in shown.items() if last > number and "✅" in other and about(other) == about(text)
        ]
    unfinished = select(notifications.c.id).where(notifications.c.status.in_(["held", "pending", "sending"]))
    with store.read() as connection:
        assert connection.execute(unfinished).all() == [], kill_at


def sweep(store: Store, folder: Path, service: str) -> int:
    """Kill at every point. Returns how many there are."""
    with chats(lambda: 0.0, seed=1, faults=0.0) as server, day(store, folder, service, server) as live:
        server.keeps_rates = False  # they are proved elsewhere
        chat = f"{service}:C1"
        assert live(None) == 0
        assert_all_is_well(store, server.shows[chat], service, "without a kill")
        assert heard(server.shows[chat]) == EXPECTED
        names: list[str] = json.loads((folder / "progress.points").read_text())
        points = [name for name in names if "before commit" not in name]  # that is after the one before
        for point in points:
            begin_anew(store, folder, server)
            assert live(point) == -signal.SIGKILL, point
            assert live(None) == 0, point
            assert_all_is_well(store, server.shows[chat], service, point)
    return len(points)


@pytest.mark.slow
def test_killed_at_any_point_nothing_is_told_twice_where_the_service_can_be_asked(store: Store, tmp_path: Path) -> None:
    assert sweep(store, tmp_path, "slack") >= LEAST_POINTS


@pytest.mark.slow
def test_killed_at_any_point_one_message_is_told_twice_at_most(sqlite_store: Store, tmp_path: Path) -> None:
    assert sweep(sqlite_store, tmp_path, "telegram") >= LEAST_POINTS
