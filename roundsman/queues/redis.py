"""The queue in Redis: every operation is one script, and so one round trip that happens as a whole or not at all.

What is ready lies in a sorted set for each kind, by its place: every priority from 0 to 100 keeps its exact order, and
what is put back finds its old place, which a stream would not let it. What is under a lease is an entry of the kind's
stream, pending for its owner in a consumer group: the entry is the proof of the lease, and `XPENDING` shows who works
on what. Delayed ones and dead letters have sorted sets of their own; `redis_scripts/common.lua` lists the keys.

Times are those of the callers' clocks, so daemons on several machines need clocks that agree to a second or so. A
receiver waits with a blocking read of a stream, the bell, which is rung whenever somebody may have to look again; a
bell of its own lets `wake` reach it.

How durable this is, Redis' own settings say (`appendonly`). When it comes back without its memory, the queue is empty
and works on; a reconciler asks `unknown` and enqueues again. Its `maxmemory-policy` must be `noeviction`, as it comes:
one that removes some keys and keeps others tears messages apart. A single server is expected, no cluster.
"""

import json
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

from roundsman.clock import Clock
from roundsman.errors import QueueError
from roundsman.message import AGEING, DeadLetter, Depth, Draft, Entered, KindLimits, Message, rank
from roundsman.queues.base import QueueOptions, worn_out
from roundsman.queues.redis_connection import ANSWER_TIMEOUT_S, EPOCH, RedisConnection

MICROSECOND, MILLISECOND = timedelta(microseconds=1), timedelta(milliseconds=1)


class RedisQueue:
    """See `roundsman.queues.base.Queue`. The `oldest` of `depth` is sought among the 1,000 that are next."""

    hastens = True

    def __init__(self, url: str, queue: str, options: QueueOptions, clock: Clock) -> None:
        """`queue` keeps several stores on one Redis apart. Connects when first needed."""
        self._redis = RedisConnection(url, queue)
        self._options, self._clock = options, clock
        self.name = self._redis.name
        self._bell, self._own_bell = f"{self._redis.root}bell", f"{self._redis.root}wake:{token_hex(8)}"
        self._lock = threading.Condition()
        self._waiting = 0
        self._woken = self._closed = False

    # --- in ---

    def judge(self, drafts: Sequence[Draft]) -> None:
        """Takes all."""

    def enqueue(self, drafts: Sequence[Draft]) -> list[Entered]:
        if not drafts:
            return []
        now = self._clock.now()
        asked = {
            "window": self._options.dedup_window // MILLISECOND,
            "keys": [False if draft.dedup is None else draft.dedup for draft in drafts],
        }
        ids: list[bytes] = self._redis.run("enqueue", now, asked, _records(drafts, now))
        return [Entered(one.decode().removeprefix("="), one.startswith(b"=")) for one in ids]

    # --- out ---

    def dequeue(self, wanted: Mapping[str, int], most: int, wait: timedelta = timedelta(0)) -> list[Message]:
        end = time.monotonic() + wait.total_seconds()
        with self._lock:
            self._waiting += 1  # first, so that a wake from now on rings
        try:
            while not self._closed:
                messages, bells, seconds = self._take(wanted, most)
                left = end - time.monotonic()
                if messages or left <= 0 or self._was_woken():
                    return messages
                self._redis.listen(bells, min(left, seconds))
        except QueueError:
            if not self._closed:
                raise
        finally:
            with self._lock:
                self._waiting -= 1
                self._lock.notify_all()
        return []

    def wake(self) -> None:
        with self._lock:
            self._woken = True
            somebody_waits = self._waiting > 0
        if somebody_waits:
            with suppress(QueueError):  # who waits will hear of it, too, and that ends its wait
                self._redis.ring(self._own_bell)

    def _was_woken(self) -> bool:
        with self._lock:
            woken, self._woken = self._woken, False
            return woken

    def _take(self, wanted: Mapping[str, int], most: int) -> tuple[list[Message], Mapping[str, bytes], float]:
        """Messages; or none, the bells to listen to from here on, and for how many seconds at most."""
        now = self._clock.now()
        asked = {
            "owner": self._options.owner,
            "most": most,
            "lease": self._options.lease // MILLISECOND,
            "max": self._max_deliveries(),
            "own": self._own_bell,
            "wanted": [self._want(kind, number) for kind, number in wanted.items() if number > 0 and most > 0],
        }
        found, *outlook = self._redis.run("take", now, asked)
        if not outlook:
            return [_message(*facts) for facts in json.loads(found)], {}, 0.0
        bell, own, change = outlook
        bells = {self._bell: bell, self._own_bell: own} if asked["wanted"] else {self._own_bell: own}
        seconds = (EPOCH + int(change) * MILLISECOND - now).total_seconds() if change else threading.TIMEOUT_MAX
        return [], bells, seconds

    def _want(self, kind: str, number: int) -> tuple[Any, ...]:
        limits = self._options.limits.get(kind, KindLimits())
        rate = limits.rate and (limits.rate.count, limits.rate.per / MILLISECOND)
        return kind, number, False if limits.concurrency is None else limits.concurrency, rate or False

    # --- what became of them ---

    def ack(self, messages: Sequence[Message]) -> list[Message]:
        limited = {kind: True for kind, limits in self._options.limits.items() if limits.concurrency is not None}
        return self._end("ack", messages, limited=limited)

    def nack(self, messages: Sequence[Message], delay: timedelta = timedelta(0)) -> list[Message]:
        due = _due(self._clock.now(), delay)
        return self._end("nack", messages, due=due, max=self._max_deliveries())

    def bury(self, messages: Sequence[Message], reason: str) -> list[Message]:
        return self._end("bury", messages, reason=reason)

    def extend(self, messages: Sequence[Message]) -> list[Message]:
        return self._end("extend", messages, lease=self._options.lease // MILLISECOND)

    def _end(self, script: str, messages: Sequence[Message], **asked: Any) -> list[Message]:
        if not messages:
            return []
        leases = [
            (message.kind, message.id, message.lease, False if message.group is None else message.group)
            for message in messages
        ]
        lost = self._redis.run(script, self._clock.now(), {"messages": leases, **asked})
        return [messages[position] for position in lost]

    def release(self, owners: Collection[str]) -> int:
        asked = {"owners": list(owners), "max": self._max_deliveries()}
        return int(self._redis.run("release", self._clock.now(), asked))

    def receivers(self) -> set[str]:
        return {one.decode() for one in self._redis.run("receivers", self._clock.now(), {})}

    def hasten(self, ids: Collection[str]) -> set[str]:
        if not ids:
            return set()
        return {one.decode() for one in self._redis.run("hasten", self._clock.now(), {"ids": list(ids)})}

    def _max_deliveries(self) -> int | bool:
        return self._options.max_deliveries or False

    # --- looking, dead letters ---

    def depth(self) -> Mapping[str, Depth]:
        rows = self._redis.run("depth", self._clock.now(), {})
        depths = {
            kind.decode(): Depth(ready, delayed, held, leased, dead, _moment(oldest))
            for kind, ready, delayed, held, leased, dead, oldest in rows
        }
        return {kind: depth for kind, depth in depths.items() if depth != Depth()}

    def dead(self, kind: str | None = None, limit: int = 100) -> list[DeadLetter]:
        asked = {"kind": False if kind is None else kind, "limit": limit}
        letters = json.loads(self._redis.run("dead", self._clock.now(), asked))
        return [_dead_letter(*facts) for facts in letters]

    def replay(self, ids: Collection[str] | None = None, kind: str | None = None) -> int:
        asked = {
            "ids": False if ids is None else sorted(set(ids)),
            "kind": False if kind is None else kind,
            "ageing": AGEING // MILLISECOND,
        }
        return int(self._redis.run("replay", self._clock.now(), asked))

    def forget(self, before: datetime, limit: int) -> int:
        asked = {"before": (before - EPOCH) // MILLISECOND, "limit": limit}
        return int(self._redis.run("forget", self._clock.now(), asked))

    def unknown(self, ids: Collection[str]) -> set[str]:
        missing = self._redis.run("unknown", self._clock.now(), {"ids": list(ids)})
        return {one.decode() for one in missing}

    def ping(self) -> None:
        self._redis.ping()

    def close(self) -> None:
        self._closed = True
        self.wake()
        with self._lock:
            self._lock.wait_for(lambda: self._waiting == 0, ANSWER_TIMEOUT_S)
        self._redis.close()


def _records(drafts: Sequence[Draft], now: datetime) -> list[str]:
    """See `redis_scripts/common.lua`. The headers of a batch are few: making each anew would double the cost."""
    headers: dict[Any, str] = {}
    records = []
    for draft in drafts:
        alike = draft.kind, draft.priority, draft.delay, draft.group
        header = headers.get(alike)
        if header is None:
            header = headers[alike] = _header(draft, now)
        records.append(f"{header}\n,{json.dumps(draft.body)}")
    return records


def _header(draft: Draft, now: datetime) -> str:
    enqueued = str((now - EPOCH) // MICROSECOND)
    place, due = rank(draft.priority, now + draft.delay), _due(now, draft.delay)
    group = False if draft.group is None else draft.group
    return json.dumps([draft.kind, int(draft.priority), place, due, enqueued, group])


def _due(now: datetime, delay: timedelta) -> int:
    """In milliseconds, rounded up; 0 without a delay."""
    return -((EPOCH - now - delay) // MILLISECOND) if delay > timedelta(0) else 0


def _message(id_: str, lease: str, deliveries: int, header: Sequence[Any], body: Mapping[str, Any]) -> Message:
    kind, priority, _rank, _due, enqueued, group = header
    return Message(id_, kind, body, priority, _group(group), deliveries, _when(enqueued), lease)


def _dead_letter(id_: str, facts: Sequence[Any], header: Sequence[Any], body: Mapping[str, Any]) -> DeadLetter:
    dead_at, deliveries, reason = facts
    kind, priority, _rank, _due, enqueued, group = header
    why = worn_out(deliveries) if reason is False else reason
    return DeadLetter(id_, kind, body, priority, _group(group), deliveries, _when(enqueued), _when(dead_at), why)


def _group(value: Any) -> str | None:
    return None if value is False else value


def _when(microseconds: int | str) -> datetime:
    # a float tells quarters of a microsecond apart here, and the nearest whole one is taken
    return datetime.fromtimestamp(int(microseconds) / 1_000_000, UTC)


def _moment(text: bytes) -> datetime | None:
    return _when(text.decode()) if text else None
