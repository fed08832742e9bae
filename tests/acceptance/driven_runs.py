"""The parts of runs, joined by hand for programs that are killed: leases of their own, a clock that may be ahead, a
sink that writes down what it is told, and a queue in the store, in Redis or in SQS.

Lines of the effects go out in one write each, so whatever was done before a SIGKILL is in the file.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from sqlalchemy import text
from trial_workflows import WORKFLOWS, Doing

from roundsman.fsm.registry import WorkflowDefaults, register_workflows, steps_of
from roundsman.owner import Owner
from roundsman.queues.base import Queue, QueueOptions
from roundsman.queues.bell import Bell
from roundsman.repositories.engine import Store, StoreOptions, parse_url
from roundsman.repositories.queue import QueueRepository
from roundsman.repositories.run_claims import RunClaims
from roundsman.repositories.run_outbox import OutgoingEvent
from roundsman.repositories.run_record import RunRecord
from roundsman.runs.black_box import BlackBox
from roundsman.runs.commit import Ledgers
from roundsman.runs.desk import RunDesk
from roundsman.runs.engine import Engine
from roundsman.runs.held import Prepared
from roundsman.runs.inbox import Inbox
from roundsman.runs.interventions import Interventions
from roundsman.runs.outbox import Outbox
from roundsman.runs.reconciler import Reconciler
from roundsman.runs.remote_queue import RemoteRunQueue
from roundsman.runs.run_queue import RunQueue, StoreRunQueue


class Lines:
    """A file to which threads and processes append whole lines."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def add(self, *words: object) -> None:
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


class ClockAhead:
    """The machine's clock as it will be after so long: what a killed process left behind is old by then."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return datetime.now(UTC) + self._by

    def monotonic(self) -> float:
        return time.monotonic()


class Listener:
    """The sink: writes the numbers of events down, in the order in which they arrive."""

    name = "listener"
    most = at_once = 1

    def __init__(self, deliver: Callable[[OutgoingEvent], None]) -> None:
        self._deliver = deliver

    def deliver(self, events: Sequence[OutgoingEvent]) -> None:
        for event in events:
            self._deliver(event)

    def close(self) -> None:
        return


@dataclass(frozen=True)
class Ground:
    """Where a life takes place; travels as JSON."""

    folder: str
    url: str
    lease_s: float
    redis: tuple[str, str] | None = None
    """URL and the queue's name."""
    sqs: Mapping[str, Any] | None = None

    def store(self) -> Store:
        return Store(StoreOptions(parse_url(self.url)))

    def remote(self, options: QueueOptions, clock: ClockAhead) -> Queue | None:
        """The queue, if it is not in the store."""
        if self.redis is not None:
            from roundsman.queues.redis import RedisQueue

            return RedisQueue(*self.redis, options, clock)
        if self.sqs is not None:
            from roundsman.queues.sqs import SqsPlace, SqsQueue

            return SqsQueue(SqsPlace(**self.sqs), options, clock)
        return None

    @property
    def effects(self) -> Path:
        return Path(self.folder, "effects")

    @property
    def told(self) -> Path:
        return Path(self.folder, "told")


_LEFT = text(
    "SELECT (SELECT count(*) FROM runs WHERE status IN ('queued', 'running', 'waiting', 'paused') OR owner IS NOT NULL)"
    " + (SELECT count(*) FROM queue_messages) + (SELECT count(*) FROM run_events)"
)


@dataclass
class Parts:
    """What drives runs in one process."""

    store: Store
    remote: Queue | None
    desk: RunDesk
    interventions: Interventions
    engine: Engine
    reconciler: Reconciler
    outbox: Outbox

    @classmethod
    def join(
        cls,
        ground: Ground,
        do: Doing,
        deliver: Callable[[OutgoingEvent], None],
        *,
        ahead_s: float = 0.0,
        workers: int = 1,
        watch: Callable[[Store, Queue | None], Queue | None] = lambda _, remote: remote,
    ) -> Self:
        """`watch` may put itself between the parts and what is outside."""
        clock, owner, lease = (
            ClockAhead(timedelta(seconds=ahead_s)),
            Owner.this_process(),
            timedelta(seconds=ground.lease_s),
        )
        store = ground.store()
        options = QueueOptions(str(owner), lease=lease)
        remote = watch(store, ground.remote(options, clock))
        queue: RunQueue
        if remote is None:
            queue = StoreRunQueue(store, QueueRepository(str(owner), {}, lease, options.dedup_window), Bell(store))
        else:
            queue = RemoteRunQueue(remote, clock)
        registry = register_workflows(WORKFLOWS, {}, WorkflowDefaults(timedelta(minutes=1), 4, None))
        built = {workflow.name: workflow(do) for workflow in WORKFLOWS}
        prepared = {name: Prepared(registry[name], steps_of(each)) for name, each in built.items()}
        inbox = Inbox()
        claims, notes = RunClaims(str(owner), lease), Path(ground.folder)
        outbox = Outbox(store, clock, owner, [Listener(deliver)])
        to = Ledgers(claims, RunRecord(), queue, outbox.sinks, outbox.wake)
        return cls(
            store,
            remote,
            RunDesk(store, clock, queue, registry, built, inbox),
            Interventions(store, clock, queue, registry, built, outbox.sinks),
            Engine(store, clock, to, prepared, size=workers, lease=lease, box=BlackBox((notes, owner)), inbox=inbox),
            Reconciler(store, clock, queue, claims, notes),
            outbox,
        )

    def start(self) -> None:
        """In the order of the daemon."""
        self.outbox.start()
        self.reconciler.run_once()
        self.engine.start()

    def stop(self) -> None:
        self.engine.stop()
        self.outbox.stop()

    def left(self, *, hidden: bool = True) -> int:
        """How much is not done yet, dead letters included; of a queue elsewhere without what is `hidden` for a time."""
        with self.store.read() as connection:
            count = int(connection.execute(_LEFT).scalar_one())
        return count if self.remote is None else count + in_queue(self.remote, hidden=hidden)


def in_queue(remote: Queue, *, hidden: bool = True) -> int:
    """How many messages there are. SQS cannot tell what is under a lease from what waits for its time."""
    count = 0
    for kind, depth in remote.depth().items():
        count += depth.ready + depth.held + depth.dead
        if hidden or kind != "*":
            count += depth.leased
        if hidden:
            count += depth.delayed
    return count
