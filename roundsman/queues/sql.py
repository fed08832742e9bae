"""The queue in the store, as a queue of its own: each call is one transaction, and who waits listens to the bell."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection

from roundsman.clock import Clock
from roundsman.errors import QueueError, StoreError
from roundsman.message import DeadLetter, Depth, Draft, Entered, Message
from roundsman.queues.base import QueueOptions
from roundsman.queues.bell import Bell, Listening
from roundsman.repositories.engine import Store, ping
from roundsman.repositories.queue import QueueRepository
from roundsman.repositories.queue_haste import hasten

NOW = timedelta(0)

T = TypeVar("T")


class SqlQueue:
    """See `roundsman.queues.base.Queue`. The store stays its owner's."""

    name = "local"
    hastens = True

    def __init__(self, store: Store, clock: Clock, options: QueueOptions) -> None:
        self._store = store
        self._clock = clock
        self._bell = Bell(store)
        self._repository = QueueRepository(
            options.owner, options.limits, options.lease, options.dedup_window, options.max_deliveries
        )
        self._changed = threading.Condition()
        self._rings = 0
        self._woken = self._closed = False
        self._listening: Listening | None = None

    # --- in and out ---

    def judge(self, drafts: Sequence[Draft]) -> None:
        """Takes all."""

    def enqueue(self, drafts: Sequence[Draft]) -> list[Entered]:
        return self._commit(lambda connection, now: self._repository.enqueue(connection, drafts, now))

    def dequeue(self, wanted: Mapping[str, int], most: int, wait: timedelta = NOW) -> list[Message]:
        end = time.monotonic() + wait.total_seconds()
        if wait > NOW:
            self._listen()
        while True:
            with self._changed:
                rings = self._rings
            messages, due = self._claim(wanted, most)
            left = end - time.monotonic()
            if messages or left <= 0 or not self._wait(rings, left, due):
                return messages

    def wake(self) -> None:
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def ack(self, messages: Sequence[Message]) -> list[Message]:
        return self._commit(
            lambda connection, _: self._repository.ack(connection, messages), rings=self._repository.unblocks(messages)
        )

    def nack(self, messages: Sequence[Message], delay: timedelta = NOW) -> list[Message]:
        return self._commit(lambda connection, now: self._repository.nack(connection, messages, now + delay, now))

    def bury(self, messages: Sequence[Message], reason: str) -> list[Message]:
        return self._commit(
            lambda connection, now: self._repository.bury(connection, messages, reason, now),
            rings=self._repository.unblocks(messages),
        )

    def extend(self, messages: Sequence[Message]) -> list[Message]:
        return self._commit(lambda connection, now: self._repository.extend(connection, messages, now), rings=False)

    def release(self, owners: Collection[str]) -> int:
        return self._commit(lambda connection, now: self._repository.release(connection, owners, now))

    def receivers(self) -> set[str]:
        with _translated(), self._store.read() as connection:
            return self._repository.owners(connection)

    def hasten(self, ids: Collection[str]) -> set[str]:
        return self._commit(lambda connection, _: hasten(connection, ids))

    # --- looking, dead letters ---

    def depth(self) -> Mapping[str, Depth]:
        with _translated(), self._store.read() as connection:
            return self._repository.depth(connection)

    def dead(self, kind: str | None = None, limit: int = 100) -> list[DeadLetter]:
        with _translated(), self._store.read() as connection:
            return self._repository.dead(connection, kind, limit)

    def replay(self, ids: Collection[str] | None = None, kind: str | None = None) -> int:
        return self._commit(lambda connection, now: self._repository.replay(connection, ids, kind, now))

    def forget(self, before: datetime, limit: int) -> int:
        return self._commit(
            lambda connection, now: self._repository.forget(connection, before, limit, now), rings=False
        )

    def unknown(self, ids: Collection[str]) -> set[str]:
        with _translated(), self._store.read() as connection:
            return self._repository.unknown(connection, ids)

    def ping(self) -> None:
        with _translated():
            ping(self._store)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()

    # --- parts ---

    def _commit(self, work: Callable[[Connection, datetime], T], *, rings: bool = True) -> T:
        with _translated():
            with self._store.write() as connection:
                answer = work(connection, self._clock.now())
                if rings:
                    self._bell.in_transaction(connection)
            if rings:
                self._bell.after_commit()
        return answer

    def _claim(self, wanted: Mapping[str, int], most: int) -> tuple[list[Message], datetime | None]:
        """Messages; or none, and when it is worth looking again by oneself."""
        kinds = [kind for kind, count in wanted.items() if count > 0]
        if most <= 0 or not kinds:
            return [], None
        with _translated(), self._store.write() as connection:
            messages = self._repository.claim(connection, wanted, most, self._clock.now())
            return messages, None if messages else self._repository.next_due(connection, kinds)

    def _listen(self) -> None:
        with self._changed:
            if self._listening is not None or self._closed:
                return
            with _translated():
                self._listening = self._bell.listen(self._ring)

    def _ring(self) -> None:
        with self._changed:
            self._rings += 1
            self._changed.notify_all()

    def _wait(self, rings: int, left: float, due: datetime | None) -> bool:
        """Until a ring after `rings`, or `due`. False: somebody called `wake` or `close`, or the time is over."""
        seconds = left if due is None else min(left, max((due - self._clock.now()).total_seconds(), 0.0))
        with self._changed:
            self._changed.wait_for(lambda: self._woken or self._closed or self._rings != rings, timeout=seconds)
            if self._closed:
                return False
            if self._woken:
                self._woken = False
                return False
            return True


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise QueueError(str(error)) from None
