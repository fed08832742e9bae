"""Runs on real stores, with an engine that is turned by hand or lives in its own thread, and workflows of functions."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event

from roundsman.clock import Clock, ManualClock
from roundsman.fsm.context import RunContext
from roundsman.fsm.machine import Final, Machine, Transition
from roundsman.fsm.registry import WorkflowDefaults, WorkflowRegistry, register_workflows, steps_of
from roundsman.fsm.workflow import Next, Step, StepResult, Workflow
from roundsman.message import Depth, KindLimits
from roundsman.owner import Owner
from roundsman.queues.base import Queue, QueueOptions
from roundsman.queues.bell import Bell
from roundsman.queues.sql import SqlQueue
from roundsman.repositories.engine import Store
from roundsman.repositories.queue import QueueRepository
from roundsman.repositories.run_claims import RunClaims
from roundsman.repositories.run_record import LogLine, RunRecord, Unit
from roundsman.repositories.runs import Run, RunRepository
from roundsman.runs.commit import Ledgers
from roundsman.runs.desk import Order, RunDesk
from roundsman.runs.engine import Engine
from roundsman.runs.held import Prepared
from roundsman.runs.inbox import Inbox
from roundsman.runs.interventions import Interventions
from roundsman.runs.reconciler import Reconciler
from roundsman.runs.remote_queue import RemoteRunQueue
from roundsman.runs.run_queue import RunQueue, StoreRunQueue

PATIENCE_S = 20.0
"""How long a test waits for what comes at once."""
LEASE = timedelta(seconds=30)
ME = str(Owner.this_process())

MACHINE = Machine(
    "first",
    [
        Transition("first", "next", "second"),
        Transition("first", "approve", "second"),
        Transition("first", "reject", "refused"),
        Transition("first", "late", "second"),
        Transition("second", "next", "third"),
        Transition("third", "next", "done"),
    ],
    {"done": Final.COMPLETED, "refused": Final.CANCELLED},
)
"""Three steps in a row; the first may also wait."""

MENDING = Machine(
    "first",
    [
        Transition("first", "next", "done"),
        Transition("first", "failed", "mending"),
        Transition("mending", "next", "done"),
    ],
    {"done": Final.COMPLETED},
)
"""A failure of the first step leads somewhere."""


def go_on(ctx: RunContext) -> StepResult:
    return Next("next")


def workflow(
    steps: Mapping[str, Step] | None = None, *, name: str = "sample", machine: Machine = MACHINE, **facts: Any
) -> Workflow:
    """One whose steps are these; the others go on at once."""
    given = dict(steps or {})
    all_steps = {state: given.get(state, go_on) for state in machine.states if not machine.is_final(state)}
    made = type("Sample", (Workflow,), {"name": name, "machine": machine, "steps": lambda _: all_steps, **facts})
    built: Workflow = made()
    return built


@dataclass
class Bench:
    """A desk, an engine, and whatever else belongs to runs, on one store. Several share it as several processes do."""

    store: Store
    clock: Clock
    workflows: Sequence[Workflow]
    owner: str = ME
    size: int = 4
    sinks: tuple[str, ...] = ()
    remote: Callable[[QueueOptions], Queue] | None = None
    """Makes a queue outside the store."""
    notes: Path = field(default_factory=lambda: Path("/nonexistent"))

    def __post_init__(self) -> None:
        if "/" not in self.owner:
            self.owner = f"{self.owner}/0123456789ab+4026531836/77/1"  # a process of another machine
        defaults = WorkflowDefaults(timedelta(minutes=1), 4, timedelta(days=1))
        self.registry: WorkflowRegistry = register_workflows([type(each) for each in self.workflows], {}, defaults)
        self.built = {each.name: each for each in self.workflows}
        limits = {
            facts.name: KindLimits(facts.concurrency, facts.rate)
            for facts in self.registry.workflows
            if facts.concurrency is not None or facts.rate is not None
        }
        options = QueueOptions(self.owner, limits, LEASE)
        self.queue: Queue = SqlQueue(self.store, self.clock, options) if self.remote is None else self.remote(options)
        self.run_queue: RunQueue
        if self.remote is None:
            repository = QueueRepository(self.owner, limits, LEASE, timedelta(minutes=5))
            self.run_queue = StoreRunQueue(self.store, repository, Bell(self.store))
        else:
            self.run_queue = RemoteRunQueue(self.queue, self.clock)
        self.claims = RunClaims(self.owner, LEASE)
        self.runs, self.record = RunRepository(), RunRecord()
        prepared = {name: Prepared(self.registry[name], steps_of(each)) for name, each in self.built.items()}
        inbox = Inbox()
        to = Ledgers(self.claims, self.record, self.run_queue, self.sinks)
        self.engine = Engine(self.store, self.clock, to, prepared, size=self.size, lease=LEASE, inbox=inbox)
        self.desk = RunDesk(self.store, self.clock, self.run_queue, self.registry, self.built, inbox)
        self.people = Interventions(self.store, self.clock, self.run_queue, self.registry, self.built, self.sinks)
        self.reconciler = Reconciler(self.store, self.clock, self.run_queue, self.claims, self.notes)
        self._changed = threading.Condition()
        self._changes = 0
        event.listen(self.store.engine, "checkin", self._note)
        dialect = self.store.engine.dialect
        self._do_commit = dialect.do_commit
        dialect.do_commit = self._commit  # type: ignore[method-assign, assignment]

    # --- what happens ---

    def submit(self, data: Mapping[str, Any] | None = None, workflow: str = "sample", **facts: Any) -> int:
        return self.desk.submit(Order(workflow, data or {}, **facts)).run_id

    def turn(self, seconds: float = 0.0) -> None:
        """One pass of the engine."""
        self.engine.run_once(seconds)

    def drive(self) -> None:
        """Turn until nothing is under way and nothing is due."""
        self.engine.wake()
        idle = 0
        while idle < 2:
            self.turn(PATIENCE_S if self.engine.running() else 0)
            idle = 0 if self.engine.running() else idle + 1

    def pass_time(self, by: timedelta) -> None:
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(by)
        self.engine.wake()

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what the engine's own thread does; looked at after every change of the store by another thread."""
        while True:
            with self._changed:
                seen = self._changes
            if holds():
                return
            with self._changed:
                assert self._changed.wait_for(lambda: self._changes != seen, PATIENCE_S), "it never came"  # noqa: B023

    def _commit(self, connection: Any) -> None:
        self._do_commit(connection)
        self._note()

    def _note(self, *_: object) -> None:
        if threading.current_thread() is threading.main_thread():
            return
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def close(self) -> None:
        event.remove(self.store.engine, "checkin", self._note)
        self.engine.stop()
        self.store.engine.dialect.do_commit = self._do_commit  # type: ignore[method-assign]
        self.queue.close()

    # --- what is there ---

    def run(self, run_id: int) -> Run:
        return self.people.find(run_id)

    def units(self, run_id: int) -> list[Unit]:
        with self.store.read() as connection:
            return self.record.units(connection, run_id)

    def lines(self, run_id: int) -> list[LogLine]:
        with self.store.read() as connection:
            return self.record.lines(connection, run_id)

    def depth(self, kind: str = "sample") -> Depth:
        return self.queue.depth().get(kind, Depth())


class Benches:
    """Makes them, and closes them at the end of the test."""

    def __init__(self, stack: ExitStack, store: Store, clock: Clock) -> None:
        self._stack = stack
        self.store = store
        self.clock = clock

    def __call__(self, *workflows: Workflow, **facts: Any) -> Bench:
        bench = Bench(facts.pop("store", self.store), facts.pop("clock", self.clock), workflows, **facts)
        self._stack.callback(bench.close)
        return bench


class Gate:
    """Where a step waits until the test lets it go."""

    def __init__(self) -> None:
        self.entered, self._open = threading.Event(), threading.Event()

    def wait_for_entry(self) -> None:
        assert self.entered.wait(PATIENCE_S), "the step has not begun"

    def open(self) -> None:
        self._open.set()

    def pass_through(self) -> None:
        self.entered.set()
        assert self._open.wait(PATIENCE_S), "nobody lets the step go"

    def step(self, ctx: RunContext) -> StepResult:
        """Deaf for the stop token."""
        self.pass_through()
        return Next("next")
