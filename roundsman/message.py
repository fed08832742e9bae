"""What lies in a queue: drafts that go in, messages that come out under a lease, and how urgent they are.

Priority is a number, and the greater one is the more urgent everywhere: names, numbers and what other programs send
are read here and nowhere else, since a scale that turns round between two parts runs the critical work last.

Waiting counts too. A message's place is fixed when it enters: its time, less `AGEING` for each point of priority.
So a critical one (20) passes whatever is normal (5) and younger than a quarter of an hour, and a low one waits at
most so much longer than its turn, whatever keeps coming in. The place never changes, which lets an index keep it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any


class Priority(IntEnum):
    """The named levels. Any number from LEAST to MOST is allowed between and beside them."""

    LOW = 1
    NORMAL = 5
    HIGH = 10
    CRITICAL = 20


LEAST, MOST = 0, 100

AGEING = timedelta(minutes=1)
"""How much waiting one point of priority is worth."""

_WORDS = {
    "low": Priority.LOW,
    "normal": Priority.NORMAL,
    "medium": Priority.NORMAL,
    "high": Priority.HIGH,
    "critical": Priority.CRITICAL,
}

_RATE = re.compile(r"0*([1-9][0-9]{0,5}|1000000) ?/ ?(s|min|h|d)")
_PER = {"s": timedelta(seconds=1), "min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def parse_priority(value: str | int) -> int:
    """A name in any case, or a number from 0 to 100; the greater the more urgent.

    Raises ValueError with the second half of a sentence.
    """
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _WORDS:
            return int(_WORDS[word])
        if not (word.isascii() and word.isdigit() and len(word) <= 9):
            raise ValueError(f"is no priority; write {', '.join(_WORDS)}, or a number from {LEAST} to {MOST}")
        value = int(word)
    if isinstance(value, bool) or not LEAST <= value <= MOST:
        raise ValueError(f"is no priority; write {', '.join(_WORDS)}, or a number from {LEAST} to {MOST}")
    return int(value)


def rank(priority: int, since: datetime) -> int:
    """The place in the queue, in milliseconds: the smallest is next. `since` is when it entered or became due."""
    return int((since - priority * AGEING).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that is to be enqueued."""

    kind: str
    """What sort of work, such as a workflow's name; receivers ask for kinds, limits are set by kind."""
    body: Mapping[str, Any]
    """JSON."""
    priority: int = Priority.NORMAL
    delay: timedelta = timedelta(0)
    group: str | None = None
    """Of a group one message is under way at a time, and they go in the order in which they came in."""
    dedup: str | None = None
    """Within the queue's window a second draft of the same kind with the same key is a duplicate."""


@dataclass(frozen=True, slots=True)
class Entered:
    """What became of a draft."""

    id: str
    """Of the new message; of the earlier one, for a duplicate."""
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A message that its receiver alone may work on until its lease ends."""

    id: str
    kind: str
    body: Mapping[str, Any]
    priority: int
    group: str | None
    deliveries: int
    """How often it was received, this time included."""
    enqueued_at: datetime
    lease: Any = None
    """The queue's own proof of the lease; nobody else's business."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up."""

    id: str
    kind: str
    body: Mapping[str, Any]
    priority: int
    group: str | None
    deliveries: int
    enqueued_at: datetime
    dead_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages of one kind there are, by where they stand."""

    ready: int = 0
    delayed: int = 0
    """Waiting for their time."""
    held: int = 0
    """Waiting for their group."""
    leased: int = 0
    dead: int = 0
    oldest: datetime | None = None
    """When the oldest of the ready ones came in."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` deliveries in `per`, as a bucket that holds `count` tokens."""

    count: int
    per: timedelta


def parse_rate(text: str) -> Rate:
    """`30/min`, `5/s`, `100/h`, `1000/d`: so many in each second, minute, hour or day.

    Raises ValueError with the second half of a sentence.
    """
    match = _RATE.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError("is no rate; write for example 5/s, 30/min or 100/h, up to 1000000")
    return Rate(int(match[1]), _PER[match[2]])


@dataclass(frozen=True, slots=True)
class KindLimits:
    """What holds for all messages of a kind, over all receivers of the queue."""

    concurrency: int | None = None
    """At most so many under a lease at a time."""
    rate: Rate | None = None


def worn_out(deliveries: int) -> str:
    """The reason of a dead letter that came back as often as a queue's `max_deliveries` allows."""
    return f"it was delivered {deliveries} times and never finished"
