"""The look right before a message leaves: who was answered meanwhile is told to nobody."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from chats import ago, conversation, export, message, page, staff
from rounds import Rounds, levels

from roundsman.clock import ManualClock
from roundsman.conversations.source import Reread, StoreSource
from roundsman.monitor.case import KIND
from roundsman.monitor.last_look import JUST_ASKED, LastLook
from roundsman.repositories.alerts import Alert, AlertRepository
from roundsman.repositories.conversations import WatchedConversation
from roundsman.repositories.engine import Store
from roundsman.scheduling.job import StopToken

LATE = export(pages=[page()], conversations=[conversation()], messages=[message("m1", ago(20))])


class Outside:
    """Knows of an answer that the store does not know yet."""

    def __init__(self, desk: Rounds) -> None:
        self._desk = desk
        self.asked: list[list[str]] = []

    def reread(self, conversations: Sequence[WatchedConversation], now: datetime, stop: StopToken) -> Reread:
        self.asked.append([each.conversation.conversation_id for each in conversations])
        self._desk.take(export(messages=[message("m2", ago(-1), staff())]))
        return Reread()


@pytest.fixture
def desk(store: Store, clock: ManualClock, tmp_path: Path) -> Rounds:
    desk = Rounds(store, clock, tmp_path, levels(15))
    desk.take(LATE)
    desk.walk()
    return desk


def open_alerts(desk: Rounds) -> list[Alert]:
    with desk.store.read() as connection:
        return AlertRepository().open_of_kind(connection, KIND)


def test_an_answer_that_is_known_ends_it(desk: Rounds) -> None:
    look = LastLook(desk.store, desk.clock, desk.book, StoreSource())
    assert look(open_alerts(desk)) == {}
    desk.take(export(messages=[message("m2", ago(1), staff())]))
    (found,) = look(open_alerts(desk)).values()
    assert (found.text, found.annotations["answered_by"], found.annotations["waited_minutes"]) == (
        "answered",
        "Lan",
        19,
    )


def test_the_outside_is_asked_when_the_round_is_a_while_ago(desk: Rounds) -> None:
    outside = Outside(desk)
    look = LastLook(desk.store, desk.clock, desk.book, StoreSource(outside))
    assert look(open_alerts(desk)) == {}
    assert outside.asked == []
    desk.clock.advance(JUST_ASKED + timedelta(seconds=40))
    (found,) = look(open_alerts(desk)).values()
    assert found.annotations["answered_at"] == "2026-03-03T04:01:00Z"
    assert outside.asked == [["100_1"]]


def test_of_a_conversation_that_is_gone_it_says_nothing(desk: Rounds) -> None:
    alerts = open_alerts(desk)
    with desk.store.write() as connection:
        connection.exec_driver_sql("DELETE FROM conversations")
    assert LastLook(desk.store, desk.clock, desk.book, StoreSource())(alerts) == {}
