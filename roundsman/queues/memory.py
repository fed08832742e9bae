"""The queue in memory: the port read out in the plainest code, for tests and for comparing the others with it.

It looks through everything it holds at every turn, which is clear and slow, and forgets all with its process.
"""

import itertools
import json
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from roundsman.clock import Clock
from roundsman.message import DeadLetter, Depth, Draft, Entered, KindLimits, Message, rank
from roundsman.queues.base import QueueOptions, worn_out


class _Status(Enum):
    WAITING = auto()
    """Ready, once `not_before` is over."""
    HELD = auto()
    """Another of its group is waiting or leased."""
    LEASED = auto()
    DEAD = auto()


@dataclass
class _Record:
    number: int
    kind: str
    body: str
    priority: int
    rank: int
    group: str | None
    enqueued_at: datetime
    not_before: datetime
    status: _Status = _Status.WAITING
    deliveries: int = 0
    owner: str = ""
    lease: int = 0
    """The number of the delivery, never used twice."""
    lease_until: datetime | None = None
    dead_at: datetime | None = None
    reason: str = ""

    @property
    def id(self) -> str:
        return str(self.number)


@dataclass
class MemoryPlace:
    """What several queues share; they lock `changed`, and notify it of everything that a receiver may wait for."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    records: dict[str, _Record] = field(default_factory=dict)
    duplicates: dict[tuple[str, str], tuple[str, datetime]] = field(default_factory=dict)
    tokens: dict[str, tuple[float, datetime]] = field(default_factory=dict)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))


class MemoryQueue:
    """See `roundsman.queues.base.Queue`."""

    name = "memory"

    def __init__(self, options: QueueOptions, clock: Clock, place: MemoryPlace | None = None) -> None:
        self._options = options
        self._clock = clock
        self._place = place or MemoryPlace()
        self._woken = self._closed = False

    # --- in and out ---

    def enqueue(self, drafts: Sequence[Draft]) -> list[Entered]:
        with self._place.changed:
            entered = [self._enter(draft, self._clock.now()) for draft in drafts]
            self._place.changed.notify_all()
            return entered

    def dequeue(self, wanted: Mapping[str, int], most: int, wait: timedelta = timedelta(0)) -> list[Message]:
        end = self._clock.monotonic() + wait.total_seconds()
        with self._place.changed:
            while True:
                messages = self._take(wanted, most)
                left = end - self._clock.monotonic()
                if messages or left <= 0 or self._closed:
                    return messages
                if self._woken:
                    self._woken = False
                    return messages
                self._place.changed.wait(min(left, self._seconds_to_the_next_change(wanted)))

    def wake(self) -> None:
        with self._place.changed:
            self._woken = True
            self._place.changed.notify_all()

    def ack(self, messages: Sequence[Message]) -> list[Message]:
        return self._each(messages, self._remove)

    def nack(self, messages: Sequence[Message], delay: timedelta = timedelta(0)) -> list[Message]:
        return self._each(messages, lambda record: self._put_back(record, self._clock.now() + delay))

    def bury(self, messages: Sequence[Message], reason: str) -> list[Message]:
        return self._each(messages, lambda record: self._give_up(record, reason))

    def extend(self, messages: Sequence[Message]) -> list[Message]:
        return self._each(messages, self._begin_lease)

    def release(self, owners: Collection[str]) -> int:
        with self._place.changed:
            now = self._clock.now()
            held = self._all(_Status.LEASED)
            freed = [record for record in held if record.owner in owners or _is_over(record, now)]
            for record in freed:
                self._put_back(record, now)
            self._place.changed.notify_all()
            return len(freed)

    # --- looking, dead letters ---

    def depth(self) -> Mapping[str, Depth]:
        with self._place.changed:
            records = list(self._place.records.values())
        now = self._clock.now()
        return {
            kind: _depth([record for record in records if record.kind == kind], now)
            for kind in {record.kind for record in records}
        }

    def dead(self, kind: str | None = None, limit: int = 100) -> list[DeadLetter]:
        with self._place.changed:
            letters = [_letter(record) for record in self._all(_Status.DEAD) if kind in (None, record.kind)]
        return sorted(letters, key=lambda letter: (letter.dead_at, int(letter.id)), reverse=True)[:limit]

    def replay(self, ids: Collection[str] | None = None, kind: str | None = None) -> int:
        with self._place.changed:
            now = self._clock.now()
            chosen = [
                record
                for record in self._all(_Status.DEAD)
                if (ids is None or record.id in ids) and kind in (None, record.kind)
            ]
            for record in chosen:
                record.deliveries = 0
                record.rank, record.not_before = rank(record.priority, now), now
                record.dead_at, record.reason = None, ""
                record.status = self._status_on_entering(record.group)
            self._place.changed.notify_all()
            return len(chosen)

    def unknown(self, ids: Collection[str]) -> set[str]:
        with self._place.changed:
            return {one for one in ids if one not in self._place.records}

    def ping(self) -> None:
        pass

    def close(self) -> None:
        self._closed = True
        self.wake()

    # --- one message; the lock is held ---

    def _enter(self, draft: Draft, now: datetime) -> Entered:
        body = json.dumps(draft.body)
        key = (draft.kind, draft.dedup or "")
        if draft.dedup is not None:
            first, until = self._place.duplicates.get(key, ("", now))
            if now < until:
                return Entered(first, duplicate=True)
        due = now + draft.delay
        record = _Record(
            number=next(self._place.numbers),
            kind=draft.kind,
            body=body,
            priority=draft.priority,
            rank=rank(draft.priority, due),
            group=draft.group,
            enqueued_at=now,
            not_before=due,
            status=self._status_on_entering(draft.group),
        )
        self._place.records[record.id] = record
        if draft.dedup is not None:
            self._place.duplicates[key] = (record.id, now + self._options.dedup_window)
        return Entered(record.id)

    def _status_on_entering(self, group: str | None) -> _Status:
        if group is None:
            return _Status.WAITING
        before = (record for record in self._place.records.values() if record.group == group)
        return _Status.HELD if any(record.status is not _Status.DEAD for record in before) else _Status.WAITING

    def _begin_lease(self, record: _Record) -> None:
        record.lease_until = self._clock.now() + self._options.lease

    def _put_back(self, record: _Record, not_before: datetime) -> None:
        limit = self._options.max_deliveries
        if limit is not None and record.deliveries >= limit:
            self._give_up(record, worn_out(record.deliveries))
        else:
            record.status, record.not_before = _Status.WAITING, not_before

    def _give_up(self, record: _Record, reason: str) -> None:
        record.status, record.dead_at, record.reason = _Status.DEAD, self._clock.now(), reason
        self._let_the_next_go(record.group)

    def _remove(self, record: _Record) -> None:
        del self._place.records[record.id]
        self._let_the_next_go(record.group)

    def _let_the_next_go(self, group: str | None) -> None:
        for record in self._all(_Status.HELD):
            if group is not None and record.group == group:
                record.status = _Status.WAITING
                return

    # --- many ---

    def _all(self, status: _Status) -> list[_Record]:
        """In the order in which they came in."""
        return sorted(
            (record for record in self._place.records.values() if record.status is status),
            key=lambda record: record.number,
        )

    def _each(self, messages: Sequence[Message], act: Callable[[_Record], None]) -> list[Message]:
        lost = []
        with self._place.changed:
            for message in messages:
                record = self._place.records.get(message.id)
                if record is not None and record.status is _Status.LEASED and record.lease == message.lease:
                    act(record)
                else:
                    lost.append(message)
            self._place.changed.notify_all()
        return lost

    def _take(self, wanted: Mapping[str, int], most: int) -> list[Message]:
        now = self._clock.now()
        for record in self._all(_Status.LEASED):
            if _is_over(record, now):
                self._put_back(record, now)
        room = {kind: min(number, self._room(kind, now)) for kind, number in wanted.items()}
        taken: list[_Record] = []
        due = (record for record in self._all(_Status.WAITING) if record.not_before <= now)
        for record in sorted(due, key=lambda record: (record.rank, record.number)):
            if len(taken) < most and room.get(record.kind, 0) > 0:
                room[record.kind] -= 1
                taken.append(record)
        return [self._hand_out(record, now) for record in taken]

    def _hand_out(self, record: _Record, now: datetime) -> Message:
        rate = self._limits(record.kind).rate
        if rate is not None:
            self._place.tokens[record.kind] = (self._tokens(record.kind, now) - 1, now)
        record.status, record.owner = _Status.LEASED, self._options.owner
        record.deliveries += 1
        record.lease = next(self._place.numbers)
        self._begin_lease(record)
        return Message(**_facts(record), lease=record.lease)

    # --- limits ---

    def _limits(self, kind: str) -> KindLimits:
        return self._options.limits.get(kind, KindLimits())

    def _room(self, kind: str, now: datetime) -> int:
        limits = self._limits(kind)
        leased = sum(record.kind == kind for record in self._all(_Status.LEASED))
        most = len(self._place.records) if limits.concurrency is None else limits.concurrency - leased
        return most if limits.rate is None else min(most, int(self._tokens(kind, now) + 1e-9))

    def _tokens(self, kind: str, now: datetime) -> float:
        rate = self._limits(kind).rate
        assert rate is not None
        tokens, then = self._place.tokens.get(kind, (float(rate.count), now))
        return min(float(rate.count), tokens + rate.count * ((now - then) / rate.per))

    def _seconds_to_the_next_change(self, wanted: Iterable[str]) -> float:
        now = self._clock.now()
        moments = [record.not_before for record in self._all(_Status.WAITING) if record.not_before > now]
        moments += [record.lease_until for record in self._all(_Status.LEASED) if record.lease_until is not None]
        for kind in wanted:
            rate = self._limits(kind).rate
            if rate is not None and (tokens := self._tokens(kind, now)) < 1:
                moments.append(now + rate.per * ((1 - tokens) / rate.count))
        return max(0.001, min(((moment - now).total_seconds() for moment in moments), default=threading.TIMEOUT_MAX))


def _is_over(record: _Record, now: datetime) -> bool:
    return record.lease_until is not None and record.lease_until <= now


def _facts(record: _Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "kind": record.kind,
        "body": json.loads(record.body),
        "priority": record.priority,
        "group": record.group,
        "deliveries": record.deliveries,
        "enqueued_at": record.enqueued_at,
    }


def _letter(record: _Record) -> DeadLetter:
    assert record.dead_at is not None
    return DeadLetter(**_facts(record), dead_at=record.dead_at, reason=record.reason)


def _depth(records: Sequence[_Record], now: datetime) -> Depth:
    ready = [record for record in records if record.status is _Status.WAITING and record.not_before <= now]
    return Depth(
        ready=len(ready),
        delayed=sum(record.status is _Status.WAITING for record in records) - len(ready),
        held=sum(record.status is _Status.HELD for record in records),
        leased=sum(record.status is _Status.LEASED for record in records),
        dead=sum(record.status is _Status.DEAD for record in records),
        oldest=min((record.enqueued_at for record in ready), default=None),
    )
