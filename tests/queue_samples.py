"""Drafts for the tests of queues, and short words for receiving."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from roundsman.message import DeadLetter, Draft, Message
from roundsman.queues.base import Queue

KIND, OTHER_KIND = "device_test", "build"

PATIENCE = timedelta(seconds=30)
"""How long a test waits for what comes at once."""


def draft(number: int = 0, **facts: Any) -> Draft:
    """A draft whose body is this number."""
    return replace(Draft(kind=KIND, body={"number": number}), **facts)


def drafts(numbers: Iterable[int], **facts: Any) -> list[Draft]:
    return [draft(number, **facts) for number in numbers]


def take(queue: Queue, most: int = 10, *, kinds: Sequence[str] = (KIND,)) -> list[Message]:
    """What can be received now."""
    return queue.dequeue(dict.fromkeys(kinds, most), most)


def take_one(queue: Queue, *, kinds: Sequence[str] = (KIND,)) -> Message:
    (message,) = take(queue, 1, kinds=kinds)
    return message


def take_all(queue: Queue, *, kinds: Sequence[str] = (KIND,)) -> list[Message]:
    """What can be received in several goes."""
    found: list[Message] = []
    while some := take(queue, 100, kinds=kinds):
        found += some
    return found


def numbers(messages: Iterable[Message | DeadLetter]) -> list[int]:
    return [message.body["number"] for message in messages]
