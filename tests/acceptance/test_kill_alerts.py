"""kill -9 at random moments while alerts are opened and told: nothing is lost, nothing is doubled in the store."""

import os
import random
import re
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from alert_lives import lives_of, lives_on_telegram, until_nothing_waits
from forked_lives import CHAT
from sqlalchemy import func, select

from roundsman.repositories.engine import Store
from roundsman.repositories.tables import alerts, notifications

KILLS = 200
INCIDENTS_A_LIFE = 2
LONGEST_LIFE_S = 0.25
PATIENCE_S = 60.0


def until_all_told(store: Store, incidents: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    query = select(func.count()).select_from(notifications).where(notifications.c.status == "sent")
    while time.monotonic() < deadline:
        with store.read() as connection:
            if connection.execute(query).scalar_one() == incidents:
                return
        time.sleep(0.05)
    pytest.fail(f"not all of {incidents} incidents were told within {PATIENCE_S:.0f} s")


def assert_one_row_each(store: Store, incidents: int) -> None:
    with store.read() as connection:
        subjects = connection.execute(select(alerts.c.fingerprint)).scalars().all()
        told = connection.execute(select(notifications.c.alert_id, notifications.c.status)).all()
    assert sorted(subjects) == sorted(f"conversation_unreplied:c{n}" for n in range(incidents))
    assert len({row.alert_id for row in told}) == len(told) == incidents
    assert {row.status for row in told} == {"sent"}


@pytest.mark.slow
def test_kill_9_loses_no_alert_and_costs_one_repeat_at_most(sqlite_store: Store, tmp_path: Path) -> None:
    chance = random.Random(20260303)
    with lives_of("alerting_child.py", tmp_path, seed=1) as (lives, slack):
        lives.killed_at_random(KILLS, INCIDENTS_A_LIFE, (0, LONGEST_LIFE_S), chance)
        incidents = KILLS * INCIDENTS_A_LIFE
        pid = lives.begin()
        until_all_told(sqlite_store, incidents)
        os.kill(pid, signal.SIGKILL)

    assert set(slack.told) == set(range(incidents)), "an incident was never told"
    assert_one_row_each(sqlite_store, incidents)
    repeats = slack.told.total() - incidents
    assert repeats <= KILLS
    assert repeats > 0, "no kill hit a delivery in flight: the test proves nothing"


@pytest.mark.slow
def test_kill_9_on_telegram_leaves_no_message_without_its_end(sqlite_store: Store, tmp_path: Path) -> None:
    chance = random.Random(20260305)
    with lives_on_telegram("alerting_child.py", tmp_path, seed=1) as (lives, server):
        lives.killed_at_random(KILLS, INCIDENTS_A_LIFE, (0, LONGEST_LIFE_S), chance)
        incidents = KILLS * INCIDENTS_A_LIFE
        pid = lives.begin()
        until_all_told(sqlite_store, incidents)
        os.kill(pid, signal.SIGKILL)
        (tmp_path / "over").touch()
        pid = lives.begin()
        until_nothing_waits(sqlite_store, incidents, incidents, PATIENCE_S)
        os.kill(pid, signal.SIGKILL)

    posts = server.rooms[f"telegram:{CHAT}"].posts.values()
    written = [post.text for post in posts if post.origin is None]
    told = Counter(int(number) for text in written for number in re.findall(r"incident-(\d+)-", text))
    assert set(told) == set(range(incidents)), "an incident was never told"
    assert [text for text in written if "✅" not in text] == [], "a copy tells of no end"
    # The first message of the chat is found from its repeat only, which may be killed as well
    assert told.total() - incidents <= KILLS // 20
    assert len(posts) - len(written) <= KILLS
    assert any("forwardMessage" in name for name in server.asked), "no kill hit a delivery in flight"


def test_two_processes_on_one_store_tell_everything_once(sqlite_store: Store, tmp_path: Path) -> None:
    incidents = 40
    with lives_of("alerting_child.py", tmp_path) as (lives, slack):
        lives.more_incidents(incidents)
        pids = [lives.begin(), lives.begin()]
        until_all_told(sqlite_store, incidents)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    assert slack.told == Counter(range(incidents))
    assert_one_row_each(sqlite_store, incidents)
