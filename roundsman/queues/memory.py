"""The queue in memory: the port read out in the plainest code, for tests and for comparing the others with it.

It looks through everything it holds at every turn, which is clear and slow, and forgets all with its process.
"""

import json
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from roundsman.clock import Clock
from roundsman.message import DeadLetter, Depth, Draft, Entered, KindLimits, Message, rank
from roundsman.queues.base import QueueOptions, worn_out
from roundsman.queues.memory_record import MemoryPlace, Record, Status, depth_of


class MemoryQueue:
    """See `roundsman.queues.base.Queue`."""

    name = "memory"
    hastens = True

    def __init__(self, options: QueueOptions, clock: Clock, place: MemoryPlace | None = None) -> None:
        self._options = options
        self._clock = clock
        self._place = place or MemoryPlace()
        self._woken = self._closed = False

    # --- in and out ---

    def judge(self, drafts: Sequence[Draft]) -> None:
        """Takes all."""

    def enqueue(self, drafts: Sequence[Draft]) -> list[Entered]:
        with self._place.changed:
            entered = [self._enter(draft, self._clock.now()) for draft in drafts]
            self._place.changed.notify_all()
            return entered

    def dequeue(self, wanted: Mapping[str, int], most: int, wait: timedelta = timedelta(0)) -> list[Message]:
        end = time.monotonic() + wait.total_seconds()
        with self._place.changed:
            while True:
                messages = self._take(wanted, most)
                left = end - time.monotonic()
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
            freed = [record for record in self._all(Status.LEASED) if record.owner in owners or record.is_over(now)]
            for record in freed:
                self._put_back(record, now)
            self._place.changed.notify_all()
            return len(freed)

    def receivers(self) -> set[str]:
        with self._place.changed:
            return {record.owner for record in self._all(Status.LEASED)}

    def hasten(self, ids: Collection[str]) -> set[str]:
        with self._place.changed:
            now = self._clock.now()
            waiting = [*self._all(Status.WAITING), *self._all(Status.HELD)]
            hastened = [record for record in waiting if record.id in ids and record.not_before > now]
            for record in hastened:
                record.not_before = now
            for record in self._all(Status.LEASED):
                record.hastened |= record.id in ids
            self._place.changed.notify_all()
            return {record.id for record in hastened}

    # --- looking, dead letters ---

    def depth(self) -> Mapping[str, Depth]:
        with self._place.changed:
            records = list(self._place.records.values())
        now = self._clock.now()
        return {
            kind: depth_of([record for record in records if record.kind == kind], now)
            for kind in {record.kind for record in records}
        }

    def dead(self, kind: str | None = None, limit: int = 100) -> list[DeadLetter]:
        with self._place.changed:
            letters = [record.letter() for record in self._all(Status.DEAD) if kind in (None, record.kind)]
        return sorted(letters, key=lambda letter: (letter.dead_at, int(letter.id)), reverse=True)[:limit]

    def replay(self, ids: Collection[str] | None = None, kind: str | None = None) -> int:
        with self._place.changed:
            now = self._clock.now()
            chosen = [
                record
                for record in self._all(Status.DEAD)
                if (ids is None or record.id in ids) and kind in (None, record.kind)
            ]
            for record in chosen:
                record.deliveries, record.rank, record.not_before = 0, rank(record.priority, now), now
                record.dead_at, record.reason = None, ""
                record.status = self._place.status_on_entering(record.group)
            self._place.changed.notify_all()
            return len(chosen)

    def forget(self, before: datetime, limit: int) -> int:
        with self._place.changed:
            letters = [record.letter() for record in self._all(Status.DEAD)]
            old = sorted((letter.dead_at, int(letter.id)) for letter in letters if letter.dead_at < before)[:limit]
            for _, number in old:
                del self._place.records[str(number)]
            return len(old)

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
        record = Record(
            number=next(self._place.numbers),
            kind=draft.kind,
            body=body,
            priority=draft.priority,
            rank=rank(draft.priority, due),
            group=draft.group,
            enqueued_at=now,
            not_before=due,
            status=self._place.status_on_entering(draft.group),
        )
        self._place.records[record.id] = record
        if draft.dedup is not None:
            self._place.duplicates[key] = (record.id, now + self._options.dedup_window)
        return Entered(record.id)

    def _begin_lease(self, record: Record) -> None:
        record.lease_until = self._clock.now() + self._options.lease

    def _put_back(self, record: Record, not_before: datetime) -> None:
        limit = self._options.max_deliveries
        if limit is not None and record.deliveries >= limit:
            self._give_up(record, worn_out(record.deliveries))
        else:
            due = self._clock.now() if record.hastened else not_before
            record.status, record.not_before, record.hastened = Status.WAITING, due, False

    def _give_up(self, record: Record, reason: str) -> None:
        record.status, record.dead_at, record.reason = Status.DEAD, self._clock.now(), reason
        record.hastened = False
        self._let_the_next_go(record.group)

    def _remove(self, record: Record) -> None:
        del self._place.records[record.id]
        self._let_the_next_go(record.group)

    def _let_the_next_go(self, group: str | None) -> None:
        for record in self._all(Status.HELD):
            if group is not None and record.group == group:
                record.status = Status.WAITING
                return

    # --- many ---

    def _all(self, status: Status) -> list[Record]:
        """In the order in which they came in."""
        return sorted(
            (record for record in self._place.records.values() if record.status is status),
            key=lambda record: record.number,
        )

    def _each(self, messages: Sequence[Message], act: Callable[[Record], None]) -> list[Message]:
        lost = []
        with self._place.changed:
            for message in messages:
                record = self._place.records.get(message.id)
                if record is not None and record.status is Status.LEASED and record.lease == message.lease:
                    act(record)
                else:
                    lost.append(message)
            self._place.changed.notify_all()
        return lost

    def _take(self, wanted: Mapping[str, int], most: int) -> list[Message]:
        now = self._clock.now()
        for record in self._all(Status.LEASED):
            if record.is_over(now):
                self._put_back(record, now)
        room = {kind: min(number, self._room(kind, now)) for kind, number in wanted.items()}
        taken: list[Record] = []
        due = (record for record in self._all(Status.WAITING) if record.not_before <= now)
        for record in sorted(due, key=lambda record: (record.rank, record.number)):
            if len(taken) < most and room.get(record.kind, 0) > 0:
                room[record.kind] -= 1
                taken.append(record)
        return [self._hand_out(record, now) for record in taken]

    def _hand_out(self, record: Record, now: datetime) -> Message:
        rate = self._limits(record.kind).rate
        if rate is not None:
            self._place.tokens[record.kind] = (self._tokens(record.kind, now) - 1, now)
        record.status, record.owner = Status.LEASED, self._options.owner
        record.deliveries += 1
        record.lease = next(self._place.numbers)
        self._begin_lease(record)
        return record.message()

    # --- limits ---

    def _limits(self, kind: str) -> KindLimits:
        return self._options.limits.get(kind, KindLimits())

    def _room(self, kind: str, now: datetime) -> int:
        limits = self._limits(kind)
        leased = sum(record.kind == kind for record in self._all(Status.LEASED))
        most = len(self._place.records) if limits.concurrency is None else limits.concurrency - leased
        return most if limits.rate is None else min(most, int(self._tokens(kind, now) + 1e-9))

    def _tokens(self, kind: str, now: datetime) -> float:
        rate = self._limits(kind).rate
        assert rate is not None
        tokens, then = self._place.tokens.get(kind, (float(rate.count), now))
        return min(float(rate.count), tokens + rate.count * ((now - then) / rate.per))

    def _seconds_to_the_next_change(self, wanted: Iterable[str]) -> float:
        now = self._clock.now()
        moments = [record.not_before for record in self._all(Status.WAITING) if record.not_before > now]
        moments += [record.lease_until for record in self._all(Status.LEASED) if record.lease_until is not None]
        for kind in wanted:
            rate = self._limits(kind).rate
            if rate is not None and (tokens := self._tokens(kind, now)) < 1:
                moments.append(now + rate.per * ((1 - tokens) / rate.count))
        return max(0.001, min(((moment - now).total_seconds() for moment in moments), default=threading.TIMEOUT_MAX))
