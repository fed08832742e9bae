"""kill -9 at random moments while alerts are opened and told: nothing is lost, nothing is doubled in the store."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from alert_lives import lives_of
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
        for _ in range(KILLS):
            lives.more_incidents(INCIDENTS_A_LIFE)
            pid = lives.begin()
            time.sleep(chance.uniform(0, LONGEST_LIFE_S))
            os.kill(pid, signal.SIGKILL)
        incidents = KILLS * INCIDENTS_A_LIFE
        pid = lives.begin()
        until_all_told(sqlite_store, incidents)
        os.kill(pid, signal.SIGKILL)

    assert set(slack.told) == set(range(incidents)), "an incident was never told"
    assert_one_row_each(sqlite_store, incidents)
    repeats = slack.told.total() - incidents
    assert repeats <= KILLS
    assert repeats > 0, "no kill hit a delivery in flight: the test proves nothing"


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
