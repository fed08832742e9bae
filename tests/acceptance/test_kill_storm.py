"""kill -9 at random moments of a storm: levels, digests and their ends are told, each once in the store."""

import json
import os
import random
import re
import signal
from pathlib import Path

import pytest
from alert_lives import lives_of, lives_on_telegram, until_nothing_waits
from fake_slack import FakeSlack
from forked_lives import CHAT
from sqlalchemy import func, select

from roundsman.repositories.engine import Store
from roundsman.repositories.tables import alerts, notification_alerts, notifications

OVER_BEFORE = 12
"""As `storming_child.py` has it."""
KILLS = 120
INCIDENTS_A_LIFE = 4
LONGEST_LIFE_S = 0.25
LONGEST_STORM_S = 2.0
"""Of a life that has fewer messages to send than it was to be killed at."""
PATIENCE_S = 60.0
"""For the last life to deliver what is left."""


def lines_of(body: str) -> list[str]:
    return [line for block in json.loads(body)["blocks"] for line in block["text"]["text"].splitlines()]


def incidents_of(slack: FakeSlack, *, over: bool) -> set[int]:
    """Those of which Slack heard that they go on, or that they are over."""
    found = set()
    for body in slack.bodies:
        for line in lines_of(body):
            is_over = "answered" in line or "no longer waits" in line
            if is_over is over:
                found |= {int(number) for number in re.findall(r"incident-(\d+)-", line)}
    return found


@pytest.mark.slow
def test_kill_9_in_a_storm_loses_no_level_and_no_end(sqlite_store: Store, tmp_path: Path) -> None:
    chance = random.Random(20260304)
    with lives_of("storming_child.py", tmp_path, seed=2) as (lives, slack):
        lives.killed_at_random(KILLS, INCIDENTS_A_LIFE, (0.02, LONGEST_LIFE_S), chance)
        pid = lives.begin()
        incidents = KILLS * INCIDENTS_A_LIFE
        until_nothing_waits(sqlite_store, incidents, incidents - OVER_BEFORE, PATIENCE_S)
        os.kill(pid, signal.SIGKILL)

    with sqlite_store.read() as connection:
        names = connection.execute(select(alerts.c.fingerprint)).scalars().all()
        sent = connection.execute(
            select(func.count()).select_from(notifications).where(notifications.c.status == "sent")
        ).scalar_one()
        digests = connection.execute(
            select(func.count()).where(notifications.c.is_digest, notifications.c.status == "sent")
        ).scalar_one()
        told = notification_alerts
        untold = connection.execute(
            select(alerts.c.fingerprint).where(
                alerts.c.resolved_at.is_(None),
                alerts.c.id.not_in(
                    select(told.c.alert_id)
                    .join(notifications, notifications.c.id == told.c.notification_id)
                    .where(notifications.c.status == "sent", told.c.level == alerts.c.level)
                ),
            )
        ).all()
    assert sorted(names) == sorted(f"conversation_unreplied:{n}" for n in range(incidents))
    assert untold == [], "an open alert was not told at its level"
    assert digests > 10, "there was no storm"
    going_on = set(range(incidents - OVER_BEFORE, incidents))
    # A digest of which something goes on has not been ended yet: a webhook cannot edit
    beside = {n for body in slack.bodies for n in _together(body) if _together(body) & going_on}
    assert incidents_of(slack, over=False) - going_on - beside <= incidents_of(slack, over=True)
    repeats = len(slack.bodies) - sent
    assert -KILLS <= repeats <= KILLS
    assert slack.bodies


@pytest.mark.slow
def test_kill_9_in_a_storm_on_telegram_leaves_no_message_without_its_end(sqlite_store: Store, tmp_path: Path) -> None:
    kills, hits, chance = 24, 0, random.Random(20260306)
    with lives_on_telegram("storming_child.py", tmp_path, seed=2) as (lives, server):
        for _ in range(kills):
            lives.more_incidents(INCIDENTS_A_LIFE)
            with server.holding("sendMessage", nth=chance.randint(1, 3)) as hold:
                pid = lives.begin()
                hits += hold.has_come.wait(LONGEST_STORM_S)
                os.kill(pid, signal.SIGKILL)
        pid = lives.begin()
        incidents = kills * INCIDENTS_A_LIFE
        until_nothing_waits(sqlite_store, incidents, incidents - OVER_BEFORE, 2 * PATIENCE_S)  # a group's rate
        os.kill(pid, signal.SIGKILL)

    posts = server.rooms[f"telegram:{CHAT}"].posts.values()
    written = [post.text for post in posts if post.origin is None]
    over = set(range(incidents - OVER_BEFORE))
    alarming = [text for text in written if _together(text) <= over and "✅" not in text]
    assert alarming == [], "a copy tells of no end"
    with sqlite_store.read() as connection:
        query = select(func.count()).where(notifications.c.status == "sent", notifications.c.edits.is_(None))
        sent = connection.execute(query).scalar_one()
    assert 0 <= len(written) - sent <= 1, "more was repeated than the first message of the chat"
    assert len(posts) - len(written) <= kills
    assert hits >= kills // 2, "too few kills hit a delivery in flight"
    assert server.asked["forwardMessage"] >= hits - 1


def _together(body: str) -> set[int]:
    return {int(number) for number in re.findall(r"incident-(\d+)-", body)}
