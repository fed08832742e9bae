"""Who wrote how much, and how long the answers took."""

from datetime import timedelta

from chats import NOW, ago

from roundsman.conversations.answering import Answering, answering
from roundsman.conversations.sender import ChatMessage, Sender

MINUTE = timedelta(minutes=1)


def said(minutes: float, sender: Sender, name: str | None = None, *, is_removed: bool = False) -> ChatMessage:
    return ChatMessage(ago(minutes), sender, name, is_removed)


def test_a_wait_is_ended_by_the_first_person_and_counted_once() -> None:
    thread = [
        said(60, Sender.CUSTOMER),
        said(58, Sender.CUSTOMER),
        said(57, Sender.BOT, "Bot"),
        said(50, Sender.HUMAN, "Lan"),
        said(49, Sender.HUMAN, "Minh"),
        said(40, Sender.CUSTOMER),
        said(39, Sender.HUMAN, "Lan", is_removed=True),
        said(20, Sender.HUMAN, "Lan"),
    ]
    (lan, minh) = answering([thread[::-1]], ago(1000), NOW)
    assert lan == Answering("Lan", 2, [10 * MINUTE, 20 * MINUTE])
    assert lan.average == 15 * MINUTE
    assert minh == Answering("Minh", 1, [])
    assert minh.average is None


def test_only_answers_of_the_time_count_and_waits_may_begin_before_it() -> None:
    thread = [
        said(90, Sender.CUSTOMER),
        said(80, Sender.HUMAN, "Lan"),
        said(70, Sender.CUSTOMER),
        said(60, Sender.HUMAN, "Lan"),
        said(50, Sender.HUMAN, "Lan"),
    ]
    assert answering([thread], ago(60), ago(50)) == [Answering("Lan", 1, [10 * MINUTE])]
    assert answering([], ago(60), ago(50)) == []
