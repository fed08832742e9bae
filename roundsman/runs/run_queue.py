"""The queue as runs use it: in the store itself, where a message changes together with its run, or somewhere else.

In the store, one transaction commits a step and acks its message, takes the next messages and claims their runs: a
run and its message can never disagree. Elsewhere the store goes first and the queue follows: what was left undone in
between shows as a message for a run that is not due (and is acked or put back), or as a queued run without a message
(and the reconciler sends one). So a kill between the two costs a little time and nothing else.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from roundsman.message import Draft, Message
from roundsman.queues.bell import Bell, Listening
from roundsman.repositories.engine import Store
from roundsman.repositories.queue import QueueRepository
from roundsman.repositories.queue_haste import hasten, is_coming
from roundsman.runs.verdict import Ack, Bury, Nack, Settlement

Settled = tuple[Message, Settlement]


class Entrance(Protocol):
    """Where messages enter and are received in one."""

    def enter_taken(self, connection: Connection, drafts: Sequence[Draft], now: datetime) -> list[Message]:
        """For what nothing holds back, while nothing else waits."""
        ...


class RunQueue(Protocol):
    """What the engine and the desk ask of a queue. Methods with a connection are called within a write transaction."""

    name: str

    @property
    def entrance(self) -> Entrance | None:
        """For messages that the engine takes in the moment in which they enter; only the store has one."""
        ...

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to listen; `wake` is called from any thread when there may be something to do."""
        ...

    def stop(self) -> None:
        """Listen no more; what is still to be told to the queue is told."""
        ...

    def ill(self) -> str | None:
        """Why it makes no progress."""
        ...

    def is_empty(self) -> bool:
        """Whether the last look found nothing because nothing is due, as far as can be told."""
        ...

    def want(self, wanted: Mapping[str, int], most: int) -> None:
        """The engine has room for so much. Called before each look."""
        ...

    def take(self, connection: Connection, now: datetime) -> list[Message]:
        """What came for the room that there is."""
        ...

    def settle(self, connection: Connection, settled: Sequence[Settled], now: datetime) -> None:
        """What becomes of messages that were taken."""
        ...

    def committed(self) -> None:
        """The transaction with `take` and `settle` was committed. Without this call nothing of it has happened."""
        ...

    def rolled_back(self) -> None:
        """The transaction came to nothing."""
        ...

    def extend(self, connection: Connection, messages: Sequence[Message], now: datetime) -> None:
        """Begin their leases anew."""
        ...

    def judge(self, drafts: Sequence[Draft]) -> None:
        """Raises BadInputError for what the queue can never take. A queue elsewhere may be asked about long delays."""
        ...

    def enqueue(self, connection: Connection, drafts: Sequence[Draft], now: datetime) -> list[str | None]:
        """Messages for runs, within their transaction; their ids, or None for those that `hand_over` sends."""
        ...

    def hasten(self, connection: Connection, message_id: str | None) -> bool:
        """Let this message come now, if it waits for its time; elsewhere it is `hand_over` that does so.

        False: it will not come, or cannot be reached.
        """
        ...

    def hasten_late(self, ids: Collection[str]) -> int:
        """The same for messages elsewhere whose runs are due. Never within a transaction; how many did wait."""
        ...

    def hand_over(self, drafts: Sequence[Draft]) -> list[str]:
        """After that commit: send those without an id, and return theirs; or just wake whoever waits. QueueError."""
        ...

    def next_due(self, connection: Connection, kinds: Collection[str]) -> datetime | None:
        """When it is worth looking again although nobody wakes us; None if the queue sees to that itself."""
        ...

    def owners(self, connection: Connection) -> set[str]:
        """Who holds messages in the store."""
        ...

    def receivers(self) -> set[str]:
        """Who holds messages in a queue elsewhere, as far as it can tell. Never within a transaction."""
        ...

    def release(self, connection: Connection, owners: Collection[str], now: datetime) -> int:
        """Free what dead processes hold, and what nobody holds any more; how many, of those in the store."""
        ...

    def released(self, owners: Collection[str]) -> None:
        """After that commit: the same for a queue elsewhere."""
        ...

    def unknown(self, ids: Collection[str]) -> set[str]:
        """Those of these messages that the queue surely does not hold any more. Never within a transaction."""
        ...


class StoreRunQueue:
    """In the store."""

    def __init__(self, store: Store, repository: QueueRepository, bell: Bell) -> None:
        self.name = "local"
        self.entrance = repository
        self._store = store
        self._repository = repository
        self._bell = bell
        self._listening: Listening | None = None
        self._wanted: Mapping[str, int] = {}
        self._most = 0
        self._rings = False

    def start(self, wake: Callable[[], None]) -> None:
        self._listening = self._bell.listen(wake)

    def stop(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def ill(self) -> str | None:
        return None if self._listening is None else self._listening.ill()

    def is_empty(self) -> bool:
        return True

    def want(self, wanted: Mapping[str, int], most: int) -> None:
        self._wanted, self._most = wanted, most

    def take(self, connection: Connection, now: datetime) -> list[Message]:
        if self._most <= 0 or not self._wanted:
            return []
        return self._repository.claim(connection, self._wanted, self._most, now)

    def settle(self, connection: Connection, settled: Sequence[Settled], now: datetime) -> None:
        # In one order and at once: several statements that each lock some would deadlock with another process
        self._repository.lock_groups(connection, {message.group for message, _ in settled if message.group is not None})
        for kind, messages in grouped(settled).items():
            match kind:
                case Ack():
                    self._repository.ack(connection, messages)
                case Nack(not_before):
                    self._repository.nack(connection, messages, not_before, now)
                    # what is due again at once has no time at which anybody would look: nobody would come by it
                    self._rings |= kind.is_due(now)
                case Bury(reason):
                    self._repository.bury(connection, messages, reason, now)
        self._rings |= self._repository.unblocks(message for message, _ in settled)
        if self._rings:
            self._bell.in_transaction(connection)

    def committed(self) -> None:
        if self._rings:
            self._rings = False
            self._bell.after_commit()

    def rolled_back(self) -> None:
        self._rings = False

    def extend(self, connection: Connection, messages: Sequence[Message], now: datetime) -> None:
        self._repository.extend(connection, messages, now)

    def judge(self, drafts: Sequence[Draft]) -> None:
        """It takes all."""

    def enqueue(self, connection: Connection, drafts: Sequence[Draft], now: datetime) -> list[str | None]:
        entered = self._repository.enqueue(connection, drafts, now)
        self._bell.in_transaction(connection)
        return [each.id for each in entered]

    def hasten(self, connection: Connection, message_id: str | None) -> bool:
        if message_id is None:
            return False
        if not hasten(connection, [message_id]):
            return is_coming(connection, message_id)
        self._bell.in_transaction(connection)
        return True

    def hasten_late(self, ids: Collection[str]) -> int:
        return 0  # a message in the store changes with its run

    def hand_over(self, drafts: Sequence[Draft]) -> list[str]:
        self._bell.after_commit()
        return []

    def next_due(self, connection: Connection, kinds: Collection[str]) -> datetime | None:
        return self._repository.next_due(connection, kinds)

    def owners(self, connection: Connection) -> set[str]:
        return self._repository.owners(connection)

    def receivers(self) -> set[str]:
        return set()

    def release(self, connection: Connection, owners: Collection[str], now: datetime) -> int:
        return self._repository.release(connection, owners, now)

    def released(self, owners: Collection[str]) -> None:
        return

    def unknown(self, ids: Collection[str]) -> set[str]:
        with self._store.read() as connection:
            return self._repository.unknown(connection, ids)


def grouped(settled: Sequence[Settled]) -> dict[Settlement, list[Message]]:
    """The messages by what becomes of them, so that each fate costs one statement."""
    groups: dict[Settlement, list[Message]] = {}
    for message, settlement in settled:
        groups.setdefault(settlement, []).append(message)
    return groups
