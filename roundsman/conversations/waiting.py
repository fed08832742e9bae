"""The two waiting clocks: since when has this customer waited, for anybody and for a person?

Both start at the first customer message since the last answer. What else moves a conversation (tags, assignments,
the time it was last touched) moves nothing here, which is the point: a tag once reset the wait of every customer.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from roundsman.conversations.sender import ChatMessage, Sender
from roundsman.repositories.watch_list import AnsweringClock, WaitingState

FUTURE_TOLERANCE = timedelta(minutes=10)
"""How far the clock of a platform may run ahead of ours. What lies further ahead waits until its time has come."""


def waiting_state(messages: Iterable[ChatMessage], at: datetime) -> WaitingState:
    """The state of a thread at a moment. Neither the order of the messages nor duplicates matter.

    System messages, removed and hidden ones neither start nor stop a clock. An answer at the very time of a
    customer's message counts as later than it.
    """
    heard = [each for each in messages if counts(each)]
    horizon = at + FUTURE_TOLERANCE
    known = [each for each in heard if each.sent_at <= horizon]
    answered = _last_answer(known, AnsweringClock.CUSTOMER)
    human_answered = _last_answer(known, AnsweringClock.HUMAN)
    return WaitingState(
        waiting_since=_first_since(known, answered),
        human_waiting_since=_first_since(known, human_answered),
        answered_at=answered,
        human_answered_at=human_answered,
        recheck_at=min((each.sent_at - FUTURE_TOLERANCE for each in heard if each.sent_at > horizon), default=None),
    )


def first_answer(
    messages: Iterable[ChatMessage], since: datetime, clock: AnsweringClock, at: datetime
) -> ChatMessage | None:
    """The message that ended the wait which began at `since`, if any is known at the moment `at`."""
    latest = at + FUTURE_TOLERANCE
    answers = (
        each for each in messages if counts(each) and answers_on(each, clock) and since <= each.sent_at <= latest
    )
    return min(answers, key=lambda each: (each.sent_at, each.sender, each.sender_name or ""), default=None)


def answers_on(message: ChatMessage, clock: AnsweringClock) -> bool:
    """Whether a message of this sender stops the clock."""
    return message.sender is Sender.HUMAN or (message.sender is Sender.BOT and clock is AnsweringClock.CUSTOMER)


def counts(message: ChatMessage) -> bool:
    """Whether anybody said anything with it that is still to be seen."""
    return message.sender is not Sender.SYSTEM and not message.is_removed and not message.is_hidden


def _last_answer(messages: list[ChatMessage], clock: AnsweringClock) -> datetime | None:
    return max((each.sent_at for each in messages if answers_on(each, clock)), default=None)


def _first_since(messages: list[ChatMessage], answered: datetime | None) -> datetime | None:
    """The first customer message after that answer."""
    return min(
        (
            each.sent_at
            for each in messages
            if each.sender is Sender.CUSTOMER and (answered is None or each.sent_at > answered)
        ),
        default=None,
    )
