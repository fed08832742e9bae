"""All that can be found out about a run and what is around it, for whoever asks why it stands where it stands."""

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from roundsman.clock import Clock
from roundsman.errors import BadInputError, QueueError
from roundsman.fsm.registry import WorkflowFacts, WorkflowRegistry
from roundsman.fsm.workflow import Workflow
from roundsman.message import KindLimits
from roundsman.owner import Owner
from roundsman.queues.base import Queue
from roundsman.repositories.driving import DrivingFacts
from roundsman.repositories.engine import Store
from roundsman.repositories.queue_limits import QueueLimits
from roundsman.repositories.queue_places import MessagePlace, place_of
from roundsman.repositories.run_views import RunViews
from roundsman.repositories.runs import Run, RunRepository, RunStatus
from roundsman.runs.drivers import Drivers, DrivingJob, drivers_of


@dataclass(frozen=True)
class Holder:
    """The process that holds a run."""

    host: str
    pid: int
    dead: bool
    """Surely; false means perhaps alive."""


@dataclass(frozen=True)
class InQueue:
    """Where the message of a queued run is."""

    queue: str
    """The queue's name."""
    is_there: bool = True
    """Or may be."""
    fault: str | None = None
    """Why the queue could not be asked."""
    place: MessagePlace | None = None
    """In the queue of the store; others do not tell."""
    head: int | None = None
    """The run that its group is at."""
    head_awaits: tuple[str, ...] = ()
    """The events that one waits for."""
    next_token_at: datetime | None = None
    """When the rate of its workflow lets the next one pass, if it holds any back now; others do not tell."""


@dataclass(frozen=True)
class Findings:
    """What is known at one moment."""

    run: Run
    now: datetime
    since: datetime
    """When it came into its state, or was last begun."""
    drivers: Drivers
    facts: WorkflowFacts | None
    """None: this program does not know its workflow."""
    step: str | None = None
    """The one that belongs to its state."""
    holder: Holder | None = None
    retried_as: tuple[int, ...] = ()
    message: InQueue | None = None
    """Of a queued run."""
    under_way: int = 0
    """Runs of its workflow that are."""
    all_under_way: int = 0
    others: tuple[str, ...] = ()
    """Daemons that go by other settings than whoever looks, in sentences."""


class Investigation:
    """Finds out. `queue` is opened only if it lies outside the store."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        queue: Callable[[], Queue],
        *,
        is_local: bool,
        registry: WorkflowRegistry,
        workflows: Callable[[], Mapping[str, Workflow]],
        job: DrivingJob | None,
        here: Callable[[], DrivingFacts],
    ) -> None:
        self._store = store
        self._clock = clock
        self._queue = queue
        self._is_local = is_local
        self._registry = registry
        self._workflows = workflows
        self._job = job
        self._here = here
        self._views = RunViews()

    def look(self, run_id: int) -> Findings:
        """Raises BadInputError if there is no such run. A queue that is away is one of the findings."""
        now = self._clock.now()
        with self._store.read() as connection:
            run = RunRepository().find(connection, run_id)
            if run is None:
                raise BadInputError(f"There is no run {run_id}; `runs list` shows those that are kept.")
            facts = next((each for each in self._registry.workflows if each.name == run.workflow), None)
            queued = run.status is RunStatus.QUEUED
            message = self._in_store(connection, run, facts) if queued else None
            if message is not None and message.head is not None:
                head = RunRepository().find(connection, message.head)
                message = replace(message, head_awaits=tuple((head and head.awaits) or ()))
            running = self._views.running(connection)
            moved_at = self._views.moved_at(connection, run_id)
            retried_as = tuple(self._views.retries_of(connection, run_id))
            drivers = drivers_of(connection, self._job, now)
        if message is not None and not self._is_local:
            message = self._elsewhere(run, message)
        return Findings(
            run=run,
            now=now,
            since=run.finished_at or moved_at or run.started_at or run.created_at,
            drivers=drivers,
            facts=facts,
            step=self._step(run),
            holder=_holder(run),
            retried_as=retried_as,
            message=message,
            under_way=running.get(run.workflow, 0),
            all_under_way=sum(running.values()),
            others=tuple(drivers.others(self._here())) if queued else (),
        )

    def _in_store(self, connection: Connection, run: Run, facts: WorkflowFacts | None) -> InQueue:
        if not self._is_local:
            head = None if run.group_key is None else self._views.before_in_group(connection, run.group_key, run.id)
            return InQueue("", is_there=run.message_id is not None, head=head)
        place = None if run.message_id is None else place_of(connection, run.message_id)
        token = None
        if facts is not None and facts.rate is not None:
            limits = QueueLimits({facts.name: KindLimits(facts.concurrency, facts.rate)})
            token = limits.next_token(connection, [facts.name])
        head = None if place is None else _run_of(place.head)
        return InQueue("local", is_there=place is not None, place=place, head=head, next_token_at=token)

    def _elsewhere(self, run: Run, message: InQueue) -> InQueue:
        queue = self._queue()
        try:
            is_there = run.message_id is not None and not queue.unknown([run.message_id])
        except QueueError as error:
            return replace(message, queue=queue.name, fault=str(error))
        return replace(message, queue=queue.name, is_there=is_there)

    def _step(self, run: Run) -> str | None:
        workflow = self._workflows().get(run.workflow)
        step = None if workflow is None else workflow.steps().get(run.state)
        return None if step is None else step.__name__


def _holder(run: Run) -> Holder | None:
    if run.owner is None or run.status is not RunStatus.RUNNING:
        return None
    owner = Owner.parse(run.owner)
    return Holder(owner.host, owner.pid, owner.surely_dead())


def _run_of(body: str | None) -> int | None:
    if body is not None:
        with contextlib.suppress(ValueError, AttributeError):
            run_id = json.loads(body).get("run")
            return run_id if isinstance(run_id, int) else None
    return None
