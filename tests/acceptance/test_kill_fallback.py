"""kill -9 at random moments while a channel refuses what another one takes: nothing is lost between the two."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from alert_lives import lives_of, until_nothing_waits
from fake_slack import FakeSlack
from sqlalchemy import select

from roundsman.repositories.engine import Store
from roundsman.repositories.tables import alerts, notifications

KILLS = 120
INCIDENTS_A_LIFE = 2
LONGEST_LIFE_S = 0.4
PATIENCE_S = 60.0
OVER_BEFORE = 100
"""As `falling_back_child.py` has it."""


def refuse_every_other(slack: FakeSlack) -> None:
    """The first channel refuses incidents with an odd number for good; the second takes everything."""
    slack.refuses = lambda path, numbers: not path.endswith("-second") and any(number % 2 for number in numbers)


@pytest.mark.slow
def test_kill_9_between_two_channels_loses_nothing_and_doubles_nothing_in_the_store(
    sqlite_store: Store, tmp_path: Path
) -> None:
    chance = random.Random(20260305)
    incidents = KILLS * INCIDENTS_A_LIFE
    with lives_of("falling_back_child.py", tmp_path, seed=3) as (lives, slack):
        refuse_every_other(slack)
        for _ in range(KILLS):
            lives.more_incidents(INCIDENTS_A_LIFE)
            pid = lives.begin()
            time.sleep(chance.uniform(0.02, LONGEST_LIFE_S))
            os.kill(pid, signal.SIGKILL)
        pid = lives.begin()
        until_nothing_waits(sqlite_store, incidents, incidents - OVER_BEFORE, PATIENCE_S)
        os.kill(pid, signal.SIGKILL)

    with sqlite_store.read() as connection:
        rows = connection.execute(
            select(alerts.c.fingerprint, notifications.c.channel, notifications.c.event, notifications.c.status,
                   notifications.c.maybe_sent).join(notifications, notifications.c.alert_id == alerts.c.id)
        ).all()  # fmt: skip
    assert {row.status for row in rows} <= {"sent", "failed", "cancelled"}
    news = [(number(row.fingerprint), row.channel) for row in rows if row.event == "firing"]
    assert max(Counter(news).values()) == 1, "two messages in the store tell the same on one channel"
    told = {number(row.fingerprint): row.channel for row in rows if row.event == "firing" and row.status == "sent"
            and not (row.maybe_sent and row.channel == "slack" and number(row.fingerprint) % 2)}  # fmt: skip
    still_open = set(range(incidents - OVER_BEFORE, incidents))
    assert still_open <= told.keys(), "an open alert was told on no channel"
    assert {told[n] for n in told if n % 2} == {"second"}
    assert {told[n] for n in told if not n % 2} == {"slack"}
    ended = {(number(row.fingerprint), row.channel) for row in rows if row.event == "resolved" and row.status == "sent"}
    assert {(n, told[n]) for n in told.keys() - still_open} <= ended, "an end did not follow to where it was told"
    repeats = slack.told.total() - sum(1 for row in rows if row.status == "sent")
    assert repeats <= KILLS * 2
    assert len([n for n in told if n % 2]) > KILLS / 4, "next to nothing fell back: the test proves nothing"


def number(fingerprint: str) -> int:
    return int(fingerprint.rpartition(":")[2])
