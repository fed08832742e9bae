"""kill -9 between an answer and what the person is told of it: it counts once, and the person hears the same."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from alert_samples import unreplied
from fake_telegram import TOKEN, FakeTelegram, telegram
from sqlalchemy import select

from roundsman.alerts.action import Action
from roundsman.alerts.book import AlertBook
from roundsman.alerts.channels.seal import Seal
from roundsman.alerts.message import Answer
from roundsman.clock import SystemClock
from roundsman.repositories.audience import Audience
from roundsman.repositories.engine import Store
from roundsman.repositories.identity import identity_of
from roundsman.repositories.tables import alert_log, notifications

LONGEST_LIFE_S = 0.15
ALONE = Audience(digest_from=1000)
"""Each alert has a message of its own, with buttons for it alone."""


@pytest.fixture
def server() -> Iterator[FakeTelegram]:
    with telegram() as made:
        yield made


@pytest.fixture
def begin(tmp_path: Path, sqlite_store: Store, server: FakeTelegram) -> Iterator[Callable[[], int]]:
    """Begins a life on the store; returns its PID."""
    child = Path(__file__).with_name("answering_child.py")
    host = subprocess.Popen(
        [sys.executable, child, tmp_path / "roundsman.db", server.url, TOKEN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    lives: list[int] = []

    def life() -> int:
        assert host.stdin is not None
        assert host.stdout is not None
        host.stdin.write("live\n")
        host.stdin.flush()
        lives.append(int(host.stdout.readline()))
        return lives[-1]

    yield life
    for pid in lives[-1:]:
        os.kill(pid, signal.SIGKILL)
    host.communicate(timeout=10)


def tell_of(store: Store, count: int) -> list[str]:
    """Open alerts, and take their messages as sent; what the buttons that acknowledge them carry."""
    clock, seal = SystemClock(), Seal(TOKEN, lambda: identity_of(store))
    with AlertBook(store, clock, ["telegram"], lambda: None).transaction("monitor") as desk:
        desk.fire_all([replace(unreplied(f"c{number}", clock.now()), audience=ALONE) for number in range(count)])
    with store.write() as connection:
        connection.execute(notifications.update().values(status="sent"))
        numbers = connection.execute(select(notifications.c.id).order_by(notifications.c.id)).scalars().all()
    return [seal.data(Answer(Action.ACKNOWLEDGE, "", number)) for number in numbers]


def acknowledged(store: Store) -> Counter[int]:
    with store.read() as connection:
        query = select(alert_log.c.alert_id).where(alert_log.c.event == "acknowledged")
        return Counter(connection.execute(query).scalars().all())


def test_who_is_killed_before_the_person_was_told_tells_them_in_the_next_life(
    sqlite_store: Store, server: FakeTelegram, begin: Callable[[], int]
) -> None:
    (data,) = tell_of(sqlite_store, 1)
    pid = begin()
    seen: list[Counter[int]] = []

    def kill() -> bool:
        """At the moment of the first toast, which nobody gets."""
        if seen:
            return False
        seen.append(acknowledged(sqlite_store))
        os.kill(pid, signal.SIGKILL)
        return True

    server.before_toast = kill
    server.send_data(data, press="4711")
    server.chat.wait_for(lambda: seen)
    assert seen == [Counter({1: 1})], "the answer was committed"
    assert (server.toasts, len(server.updates)) == ([], 1), "and nobody was told, so nothing was confirmed"
    begin()
    server.chat.wait_for(lambda: server.toasts)
    assert [(each["callback_query_id"], each["text"]) for each in server.toasts] == [("4711", "Acknowledged.")]
    server.chat.wait_for(lambda: not server.updates)
    assert acknowledged(sqlite_store) == Counter({1: 1})


@pytest.mark.slow
def test_kill_9_at_random_loses_no_press_and_makes_none_count_twice(
    sqlite_store: Store, server: FakeTelegram, begin: Callable[[], int]
) -> None:
    kills, chance = 80, random.Random(20260303)
    datas = tell_of(sqlite_store, kills * 2)
    presses = {f"press-{number}" for number in range(len(datas))}
    for round_number in range(kills):
        for number in (2 * round_number, 2 * round_number + 1):
            server.send_data(datas[number], press=f"press-{number}")
        pid = begin()
        time.sleep(chance.uniform(0, LONGEST_LIFE_S))
        os.kill(pid, signal.SIGKILL)
    begin()
    server.chat.wait_for(lambda: {each["callback_query_id"] for each in server.toasts} == presses)
    server.chat.wait_for(lambda: not server.updates)
    assert set(acknowledged(sqlite_store).values()) == {1}
    assert len(acknowledged(sqlite_store)) == len(datas)
    assert {each["text"] for each in server.toasts} == {"Acknowledged."}, "nobody hears that it was theirs already"
    assert len(server.toasts) > len(datas), "no kill hit the time between the two: the test proves nothing"
