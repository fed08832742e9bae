"""What this process holds of an SQS queue, and how much more of each kind it may take.

SQS knows neither kinds nor limits, and of a lease it knows only when it ends: a late word about a message of a
standard queue may even be obeyed. So the leases are remembered here, and limits hold for each process by itself.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from roundsman.clock import Clock
from roundsman.message import KindLimits, Message
from roundsman.queues.sqs.client import LONGEST_HIDDEN
from roundsman.queues.sqs.letter import Letter, whole_seconds

MARGIN = timedelta(seconds=5)
"""Kept from the twelve hours: the service began to count before its answer came."""
_REMEMBERED = 20_000
_SLOWEST, _SLOWEST_UNHEARD = timedelta(seconds=8), timedelta(minutes=5)


@dataclass(eq=False, slots=True)
class Lease:
    """Of one delivery. Times are seconds of the monotonic clock."""

    letter: Letter
    began: float
    until: float
    ended: bool = False


class Leases:
    """All that were given out by one queue object."""

    def __init__(self, length: timedelta, limits: Mapping[str, KindLimits], clock: Clock) -> None:
        self.seconds = max(1, whole_seconds(length))
        """How long a lease is: SQS counts in whole seconds, and a lease of none would be no lease."""
        self._length, self._limits, self._clock = timedelta(seconds=self.seconds), limits, clock
        self._lock = threading.Lock()
        self._held: dict[str, set[Lease]] = {}
        self._tokens: dict[str, tuple[float, float]] = {}

    def begin(self, letter: Letter) -> Lease | timedelta:
        """A lease on what was just received; if the limits allow none, the time after which they may."""
        kind = letter.facts.kind
        limits = self._limits.get(kind, KindLimits())
        with self._lock:
            now = self._clock.monotonic()
            held = {lease for lease in self._held.get(kind, ()) if now < lease.until}
            self._held[kind] = held
            if limits.concurrency is not None and len(held) >= limits.concurrency:
                return timedelta(0)
            if limits.rate is not None:
                full = float(limits.rate.count)
                a_second = full / limits.rate.per.total_seconds()
                tokens, then = self._tokens.get(kind, (full, now))
                tokens = min(full, tokens + (now - then) * a_second)
                if tokens < 1 - 1e-9:
                    return timedelta(seconds=(1 - tokens) / a_second)
                self._tokens[kind] = (tokens - 1, now)
            lease = Lease(letter, now, now + self.seconds)
            held.add(lease)
            return lease

    def still_held(self, messages: Sequence[Message]) -> list[Message]:
        """Those whose lease has neither run out nor come to its end by another word."""
        with self._lock:
            now = self._clock.monotonic()
            return [message for message in messages if not message.lease.ended and now < message.lease.until]

    def end(self, messages: Sequence[Message]) -> None:
        """They are done with, or lost."""
        with self._lock:
            for message in messages:
                message.lease.ended = True
                self._held.get(message.lease.letter.facts.kind, set()).discard(message.lease)

    def prolong(self, messages: Sequence[Message], since: float) -> None:
        """They were begun anew at this time of the monotonic clock."""
        with self._lock:
            for message in messages:
                message.lease.until = since + self.left(message.lease, at=since).total_seconds()

    def left(self, lease: Lease, wished: timedelta | None = None, at: float | None = None) -> timedelta:
        """How long it may stay hidden from then on: as long as wished (or a lease), but within the twelve hours."""
        end = lease.began + (LONGEST_HIDDEN - MARGIN).total_seconds()
        left = timedelta(seconds=max(0, end - (self._clock.monotonic() if at is None else at)))
        return min(self._length if wished is None else wished, left)


class Returns:
    """How often a message was received for nothing: it was early, or nobody here wanted it just then.

    SQS counts that as a delivery, we do not. Only this process knows, so after a restart, or where several receive
    different kinds, a message seems to have been delivered more often than it was.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: OrderedDict[str, int] = OrderedDict()
        self._wanted: set[str] = set()

    def want(self, kinds: Mapping[str, int]) -> None:
        """Remember which kinds this process asks for at all."""
        with self._lock:
            self._wanted.update(kinds)

    def add(self, letters: Sequence[Letter]) -> None:
        with self._lock:
            for letter in letters:
                self._times[letter.sqs_id] = self._times.pop(letter.sqs_id, 0) + 1
            while len(self._times) > _REMEMBERED:
                self._times.popitem(last=False)

    def deliveries(self, letter: Letter) -> int:
        """The one that is being looked at is counted."""
        with self._lock:
            return max(1, letter.received - self._times.get(letter.sqs_id, 0))

    def pause(self, letter: Letter) -> timedelta:
        """How long to leave it alone now: 1, 2, 4, 8 s, and up to minutes for a kind that nobody here ever asks for."""
        with self._lock:
            times = self._times.get(letter.sqs_id, 0)
            slowest = _SLOWEST if letter.facts.kind in self._wanted else _SLOWEST_UNHEARD
        return min(timedelta(seconds=2 ** min(times, 20)), slowest)
