"""A queue outside the store, as runs use it: fetched and answered by threads of their own.

The engine never waits for another machine than the store's. One thread asks the queue for as much as there is room for
and leaves what came for the next look; another tells the queue what became of messages, after the commit that
decided it (see `roundsman.runs.remote_answers`). A message whose answer never arrives comes back when its lease has run
out, and by then its run says that it is done with.
"""

import queue
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from roundsman.clock import Clock
from roundsman.errors import QueueError
from roundsman.message import Draft, Message
from roundsman.queues.base import Queue
from roundsman.runs.remote_answers import RETRY_AFTER_S, Contact, RemoteAnswers
from roundsman.runs.run_queue import Settled
from roundsman.runs.verdict import Nack

FETCH_WAIT = timedelta(seconds=20)
"""The longest wait for a message in one request, which is also the longest that SQS allows."""

STOP_PATIENCE_S = 3.0


@dataclass(frozen=True)
class _Room:
    wanted: Mapping[str, int]
    most: int


class _Quit:
    """End the thread."""


class RemoteRunQueue:
    """Redis or SQS. `want`, `take`, `settle`, `committed` and `rolled_back` belong to the engine's thread."""

    def __init__(self, remote: Queue, clock: Clock) -> None:
        self.name = remote.name
        self.entrance = None
        self._remote = remote
        self._wake: Callable[[], None] = lambda: None
        self._rooms: queue.SimpleQueue[_Room | _Quit] = queue.SimpleQueue()
        self._asked: _Room | None = None
        self._fetched: queue.SimpleQueue[list[Message]] = queue.SimpleQueue()
        self._unsure: list[Message] = []
        self._settled: list[Settled] = []
        self._contact = Contact()
        self._answers = RemoteAnswers(remote, clock, self._contact)
        self._to_hasten = threading.local()
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._came_empty = False

    def start(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._stopping.clear()
        fetcher = threading.Thread(target=self._fetch, name="queue-fetch", daemon=True)
        fetcher.start()
        self._threads = [fetcher, self._answers.start()]

    def stop(self) -> None:
        """Whoever made the queue closes it."""
        if not self._threads:
            return
        fetcher, _ = self._threads
        self._threads = []
        self._stopping.set()
        self._rooms.put(_Quit())
        self._remote.wake()
        fetcher.join(STOP_PATIENCE_S)
        self._give_back()
        self._answers.stop(STOP_PATIENCE_S)

    def ill(self) -> str | None:
        dead = [thread.name for thread in self._threads if not thread.is_alive()]
        return f"the thread {dead[0]} does not live" if dead and not self._stopping.is_set() else None

    # --- for the engine ---

    def is_empty(self) -> bool:
        return self._came_empty

    def want(self, wanted: Mapping[str, int], most: int) -> None:
        if most <= 0 or not wanted:
            return
        if self._asked is None:
            self._asked = _Room(dict(wanted), most)
            self._rooms.put(self._asked)
        elif wanted.keys() - self._asked.wanted.keys():
            self._remote.wake()  # it waits for other kinds than there is room for now: let it return and ask anew

    def take(self, connection: Connection, now: datetime) -> list[Message]:
        while True:
            try:
                self._unsure += self._fetched.get_nowait()
            except queue.Empty:
                return list(self._unsure)

    def settle(self, connection: Connection, settled: Sequence[Settled], now: datetime) -> None:
        self._settled += settled

    def committed(self) -> None:
        if self._settled:
            self._answers.put(self._settled)
        self._settled = []
        self._unsure = []

    def rolled_back(self) -> None:
        self._settled = []

    def extend(self, connection: Connection, messages: Sequence[Message], now: datetime) -> None:
        self._answers.extend(list(messages))

    def next_due(self, connection: Connection, kinds: Collection[str]) -> datetime | None:
        return None

    # --- for any thread ---

    def judge(self, drafts: Sequence[Draft]) -> None:
        self._remote.judge(drafts)

    def enqueue(self, connection: Connection, drafts: Sequence[Draft], now: datetime) -> list[str | None]:
        return [None] * len(drafts)

    def hasten(self, connection: Connection, message_id: str | None) -> bool:
        if message_id is None or not self._remote.hastens:
            return False
        # Before the commit it would come too early: whoever got it would put it back
        self._to_hasten.ids = {message_id}
        return True

    def hasten_late(self, ids: Collection[str]) -> int:
        try:
            return len(self._remote.hasten(ids)) if ids and self._remote.hastens else 0
        except QueueError as error:
            self._contact.lost(error)
            return 0

    def hand_over(self, drafts: Sequence[Draft]) -> list[str]:
        ids: set[str] = self._to_hasten.__dict__.pop("ids", set())
        if ids:
            self._remote.hasten(ids)
        return [entered.id for entered in self._remote.enqueue(drafts)] if drafts else []

    def owners(self, connection: Connection) -> set[str]:
        return set()

    def receivers(self) -> set[str]:
        try:
            return self._remote.receivers()
        except QueueError as error:
            self._contact.lost(error)
            return set()

    def release(self, connection: Connection, owners: Collection[str], now: datetime) -> int:
        return 0

    def released(self, owners: Collection[str]) -> None:
        try:
            self._remote.release(owners)
        except QueueError as error:
            self._contact.lost(error)

    def unknown(self, ids: Collection[str]) -> set[str]:
        """Those of these messages that the queue surely does not hold any more; none while it is away."""
        try:
            return self._remote.unknown(ids)
        except QueueError as error:
            self._contact.lost(error)
            return set()

    # --- the threads ---

    def _fetch(self) -> None:
        while isinstance(room := self._rooms.get(), _Room):
            messages: list[Message] = []
            try:
                messages = self._remote.dequeue(room.wanted, room.most, FETCH_WAIT)
                self._contact.found()
            except QueueError as error:
                self._contact.lost(error)
                self._stopping.wait(RETRY_AFTER_S)
            if messages:
                self._fetched.put(messages)
            self._came_empty = not messages
            self._asked = None
            self._wake()

    def _give_back(self) -> None:
        """What was fetched and never claimed."""
        waiting = self._unsure
        self._unsure = []
        while not self._fetched.empty():
            waiting += self._fetched.get_nowait()
        if waiting:
            back: list[Settled] = [(message, Nack()) for message in waiting]
            self._answers.put(back)
