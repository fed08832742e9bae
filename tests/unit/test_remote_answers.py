"""Answers to a queue elsewhere: none holds up the others, none is lost while the queue is away."""

import logging
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from queue_samples import KIND

from roundsman.clock import ManualClock
from roundsman.errors import QueueError
from roundsman.message import Draft, Message
from roundsman.queues.base import QueueOptions
from roundsman.queues.memory import MemoryQueue
from roundsman.runs import remote_answers
from roundsman.runs.remote_answers import MOST_REFUSALS, Contact, RemoteAnswers
from roundsman.runs.verdict import Ack, Bury, Nack

PATIENCE_S = 10.0
NO_PLACE = "The queue orders of SQS has no place for dead letters: set SQS_DEAD_LETTER_URL."
NOBODY = "The queue orders of SQS cannot serve: it was not reached."


class Strict(MemoryQueue):
    """Refuses some dead letters, and may be away as a whole."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(QueueOptions("me"), clock)
        self.refusals = 0
        self.calls: list[str] = []
        self.is_away = False
        self.called = threading.Condition()

    def _note(self, call: str) -> None:
        with self.called:
            self.calls.append(call)
            self.called.notify_all()
        if self.is_away:
            raise QueueError(NOBODY)

    def wait_for(self, call: str, times: int = 1) -> None:
        with self.called:
            assert self.called.wait_for(lambda: self.calls.count(call) >= times, PATIENCE_S), self.calls

    def ack(self, messages: Sequence[Message]) -> list[Message]:
        self._note("ack")
        return super().ack(messages)

    def nack(self, messages: Sequence[Message], delay: timedelta = timedelta(0)) -> list[Message]:
        self._note("nack")
        return super().nack(messages, delay)

    def extend(self, messages: Sequence[Message]) -> list[Message]:
        self._note("extend")
        return super().extend(messages)

    def bury(self, messages: Sequence[Message], reason: str) -> list[Message]:
        self._note("bury")
        if self.refusals:
            self.refusals -= 1
            raise QueueError(NO_PLACE)
        return super().bury(messages, reason)

    def ping(self) -> None:
        self._note("ping")


@pytest.fixture
def queue() -> Strict:
    return Strict(ManualClock(datetime(2026, 3, 3, 12, tzinfo=UTC)))


@pytest.fixture
def answers(queue: Strict, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteAnswers]:
    monkeypatch.setattr(remote_answers, "RETRY_AFTER_S", 0.01)
    made = RemoteAnswers(queue, ManualClock(datetime(2026, 3, 3, 12, tzinfo=UTC)), Contact())
    made.start()
    yield made
    made.stop(PATIENCE_S)


def received(queue: Strict, count: int) -> list[Message]:
    queue.enqueue([Draft(KIND, {"run": number}) for number in range(1, count + 1)])
    return queue.dequeue({KIND: count}, count)


def said(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_each_fate_is_told(queue: Strict, answers: RemoteAnswers) -> None:
    acked, put_back, buried, held = received(queue, 4)
    answers.put([(acked, Ack()), (put_back, Nack()), (buried, Bury("broken"))])
    answers.extend([held])
    answers.stop(PATIENCE_S)
    (depth,) = queue.depth().values()
    assert (depth.ready, depth.dead, depth.leased) == (1, 1, 1)
    assert queue.calls == ["ack", "nack", "bury", "extend"]


def test_what_is_refused_for_ever_lets_the_others_pass_and_is_given_up(
    queue: Strict, answers: RemoteAnswers, caplog: pytest.LogCaptureFixture
) -> None:
    queue.refusals = 1_000
    first, second, third = received(queue, 3)
    answers.put([(first, Bury("broken")), (second, Ack())])
    answers.put([(third, Ack())])
    queue.wait_for("bury", MOST_REFUSALS)
    answers.stop(PATIENCE_S)
    assert queue.calls.index("ack") < MOST_REFUSALS
    (depth,) = queue.depth().values()
    assert (depth.leased, depth.dead) == (1, 0)
    assert queue.calls.count("bury") == MOST_REFUSALS
    assert said(caplog, logging.ERROR) == [
        f"The message of run 1: the queue refused {MOST_REFUSALS} times to make a dead letter of it (broken), and is "
        f"asked no more: {NO_PLACE}"
    ]
    assert {getattr(record, "RUN_ID", None) for record in caplog.records} == {"1"}
    assert said(caplog, logging.WARNING) == [
        f"The message of run 1: the queue refuses to make a dead letter of it (broken), and is asked again: {NO_PLACE}"
    ]


def test_what_is_refused_for_a_while_is_told_in_the_end(
    queue: Strict, answers: RemoteAnswers, caplog: pytest.LogCaptureFixture
) -> None:
    queue.refusals = MOST_REFUSALS - 1
    (message,) = received(queue, 1)
    answers.put([(message, Bury("broken"))])
    queue.wait_for("bury", MOST_REFUSALS)
    answers.stop(PATIENCE_S)
    assert [letter.reason for letter in queue.dead()] == ["broken"]
    assert said(caplog, logging.ERROR) == []


def test_nothing_is_given_up_while_the_queue_is_away(
    queue: Strict, answers: RemoteAnswers, caplog: pytest.LogCaptureFixture
) -> None:
    messages = received(queue, 20)
    queue.is_away = True
    for message in messages:
        answers.put([(message, Ack())])
    queue.wait_for("ping", 3 * MOST_REFUSALS)
    assert len([call for call in queue.calls if call == "ack"]) <= queue.calls.count("ping") + 1, "one each time"
    queue.is_away = False
    queue.wait_for("ack", queue.calls.count("ack") + 20)
    answers.stop(PATIENCE_S)
    assert queue.depth() == {}
    assert said(caplog, logging.ERROR) == [f"The queue does not serve: {NOBODY} What is held goes on."]
    assert said(caplog, logging.WARNING) == ["The queue serves again"]


def test_a_queue_that_is_away_does_not_hold_up_the_stop(queue: Strict, answers: RemoteAnswers) -> None:
    (message,) = received(queue, 1)
    queue.is_away = True
    answers.put([(message, Ack())])
    queue.wait_for("ping")
    answers.stop(PATIENCE_S)
    assert not [thread for thread in threading.enumerate() if thread.name == "queue-answer"]
