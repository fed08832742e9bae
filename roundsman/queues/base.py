"""The queue port: messages are received under a lease and stay until they are acked.

Nothing is lost when a receiver dies: what it held comes back when its lease has run out, or at once when it is known
to be dead (`release`). Whatever is done to a received message names its lease, so a receiver that was away too long
changes nothing any more. One contract suite runs over every adapter (tests/contract/test_queues.py).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from roundsman.message import DeadLetter, Depth, Draft, Entered, KindLimits, Message
from roundsman.message import worn_out as worn_out


@dataclass(frozen=True)
class QueueOptions:
    """What every adapter is told."""

    owner: str
    """Who receives: the text of a `roundsman.owner.Owner`."""
    limits: Mapping[str, KindLimits] = field(default_factory=dict)
    """By kind; a kind without an entry has none."""
    lease: timedelta = timedelta(seconds=30)
    dedup_window: timedelta = timedelta(minutes=5)
    """As long as SQS remembers a deduplication id (its developer guide, FIFO queues)."""
    max_deliveries: int | None = None
    """A message that comes back after so many deliveries is dead. None: its receiver decides."""


class Queue(Protocol):
    """Where messages wait. All methods may be called from any thread; they raise QueueError when it cannot serve."""

    name: str
    """Its place, safe to print: `local`, `redis 127.0.0.1:6379/0`, ..."""
    hastens: bool
    """Whether it can reach a message that waits for its time."""

    def judge(self, drafts: Sequence[Draft]) -> None:
        """Raises BadInputError for what this queue can never take; all else passes, also while it is away."""
        ...

    def enqueue(self, drafts: Sequence[Draft]) -> list[Entered]:
        """Put them all in; answers in the same order."""
        ...

    def dequeue(self, wanted: Mapping[str, int], most: int, wait: timedelta = timedelta(0)) -> list[Message]:
        """Receive at most `wanted[kind]` of each kind and `most` in all, the most urgent first.

        What nobody holds any more (its lease has run out) is freed first, at least of these kinds, and may be among
        them. When nothing can be received, also for want of room or of tokens, waits at most `wait` (of real time)
        for something to come or to become due, or until `wake`.
        """
        ...

    def wake(self) -> None:
        """Let a `dequeue` of this queue object that waits return. When none waits, the next does not."""
        ...

    def ack(self, messages: Sequence[Message]) -> list[Message]:
        """They are done with. Returns those whose lease was lost meanwhile (as far as the queue can tell)."""
        ...

    def nack(self, messages: Sequence[Message], delay: timedelta = timedelta(0)) -> list[Message]:
        """Put them back, due after `delay`, at their old place: that of when they came in or were first due.

        Returns those whose lease was lost meanwhile.
        """
        ...

    def bury(self, messages: Sequence[Message], reason: str) -> list[Message]:
        """Make dead letters of them. Returns those whose lease was lost meanwhile."""
        ...

    def extend(self, messages: Sequence[Message]) -> list[Message]:
        """Begin their leases anew. Returns those whose lease was lost meanwhile."""
        ...

    def release(self, owners: Collection[str]) -> int:
        """Free what these (dead) receivers hold, and what nobody holds any more. Returns how many."""
        ...

    def receivers(self) -> set[str]:
        """The owners who hold messages, so that somebody can see whether they live. Empty: this queue cannot tell."""
        ...

    def hasten(self, ids: Collection[str]) -> set[str]:
        """Make those of these due now that wait for their time, also behind their group. Returns which did.

        A queue outside the store remembers it of those under a lease: one that is put back for later, by somebody who
        has not heard yet that it need not wait, comes back at once. A queue that cannot reach what waits hastens none.
        """
        ...

    def depth(self) -> Mapping[str, Depth]:
        """How many there are, by kind. A kind of which there is none may be missing."""
        ...

    def dead(self, kind: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """The dead letters, the newest first."""
        ...

    def replay(self, ids: Collection[str] | None = None, kind: str | None = None) -> int:
        """Put dead letters back: all, or of them only these `ids`, only this `kind`.

        They keep their ids and facts, but are due now, take their place as if they came in now, and their deliveries
        are forgotten. Returns how many.
        """
        ...

    def forget(self, before: datetime, limit: int) -> int:
        """Remove dead letters that died before then, the oldest first, `limit` at most. Returns how many.

        A queue that forgets by itself removes nothing: what it keeps for how long is its own setting.
        """
        ...

    def unknown(self, ids: Collection[str]) -> set[str]:
        """Those of these messages that the queue surely does not hold (any more). It does hold its dead letters."""
        ...

    def ping(self) -> None:
        """One round trip."""
        ...

    def close(self) -> None:
        """Let go of connections; a waiting `dequeue` returns."""
        ...
