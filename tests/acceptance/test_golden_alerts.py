"""What the monitor tells of hand-made exports, minute by minute, beside tables worked out by hand.

THEME.alerts.json holds the rounds to make and everything that is told then; THEME.md says why. Messages arrive when
they are written; nobody's clock but ours runs.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from chats import Document
from golden_files import GOLDEN, bring_up_to, golden_book, settings, watermarks
from rounds import Rounds

from roundsman.clock import ManualClock, iso
from roundsman.conversations.moment import parse_moment
from roundsman.repositories.alert_log import AlertLog, LogEvent
from roundsman.repositories.engine import Store

THEMES = sorted(path.name.removesuffix(".alerts.json") for path in GOLDEN.glob("*.alerts.json"))
NEWS = (LogEvent.OPENED, LogEvent.WARNED, LogEvent.ESCALATED, LogEvent.RESOLVED)


def read(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


class Post:
    """Hands over the messages of an export as their time comes."""

    def __init__(self, export: Document) -> None:
        self.described = {**export, "fb_message_items": []}
        self._left = sorted(export["fb_message_items"], key=sent_at)

    def until(self, now: datetime) -> list[Document]:
        due = [each for each in self._left if sent_at(each) <= now]
        self._left = self._left[len(due) :]
        return due


def sent_at(document: Document) -> datetime:
    found = parse_moment(document["messageData"]["inserted_at"])
    assert found is not None
    return found


def moments(rounds: list[list[Any]]) -> Iterator[datetime]:
    """The rounds of several stretches; where one ends the next begins."""
    last = None
    for start, end, minutes in rounds:
        now, until = datetime.fromisoformat(start), datetime.fromisoformat(end)
        while now <= until:
            if now != last:
                yield now
            last = now
            now += timedelta(minutes=minutes)


def told(desk: Rounds) -> list[list[Any]]:
    """Everything that people were told: when, of whom, what, at which level, and who was called by name."""
    found = []
    with desk.store.read() as connection:
        for alert in desk.alerts():
            subject = alert.fingerprint.partition(":")[2]  # a conversation, or a page that is stale
            for entry in AlertLog().of_alert(connection, alert.id):
                if entry.event in NEWS:
                    level = None if entry.event is LogEvent.RESOLVED else entry.level
                    mentions = entry.detail.get("mentions", [])
                    found.append([iso(entry.at), subject, entry.event.value, level, mentions])
    return sorted(found, key=lambda each: each[:2])


@pytest.mark.parametrize("theme", THEMES)
def test_each_theme_is_told_as_by_hand(sqlite_store: Store, tmp_path: Path, theme: str) -> None:
    table, post, marks = read(f"{theme}.alerts.json"), Post(read(f"{theme}.json")), watermarks(theme)
    rounds = list(moments(table["rounds"]))
    clock = ManualClock(rounds[0])
    desk = Rounds(sqlite_store, clock, tmp_path, golden_book())
    desk.take(post.described)
    desk.monitor = desk.new_monitor()  # one process: right after a start a page that is stale is not yet told of
    before = None
    for now in rounds:
        clock.advance(now - clock.now())
        bring_up_to(sqlite_store, marks, now, before)
        before = now
        for each in settings(theme):
            if each.since <= now:
                desk.pages_before |= desk.pages_set_up or frozenset()
                desk.pages_set_up = each.page_ids
        news = post.until(now)
        if news:
            desk.take({"fb_message_items": news})
        desk.walk()
    assert told(desk) == table["told"]
