"""Everything about runs, joined once from the settings: workflows with their parts, queue, engine, desk."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from config import Settings
from roundsman.app.queues import queue_of, run_queue_of
from roundsman.app.sinks import sinks_of
from roundsman.clock import Clock
from roundsman.fsm.registry import WorkflowDefaults, WorkflowRegistry, register_workflows, steps_of
from roundsman.fsm.workflow import Workflow
from roundsman.message import KindLimits
from roundsman.owner import Owner
from roundsman.queues.base import Queue, QueueOptions
from roundsman.repositories.driving import DrivingFacts
from roundsman.repositories.engine import Store
from roundsman.repositories.run_claims import RunClaims
from roundsman.repositories.run_record import RunRecord
from roundsman.runs.black_box import BlackBox
from roundsman.runs.commit import Ledgers
from roundsman.runs.desk import RunDesk
from roundsman.runs.drivers import DrivingJob
from roundsman.runs.engine import Engine
from roundsman.runs.held import Prepared
from roundsman.runs.inbox import Inbox
from roundsman.runs.neighbours import Neighbours
from roundsman.runs.outbox import Outbox
from roundsman.runs.reconciler import Reconciler
from roundsman.runs.run_queue import RunQueue

if TYPE_CHECKING:
    from roundsman.runs.findings import Investigation
    from roundsman.runs.interventions import Interventions

LEASE = timedelta(seconds=30)
"""How long a machine may be out of sight before its runs are somebody else's; renewed three times as often."""


def workflows_of(settings: Settings, workflows: Sequence[type[Workflow]]) -> WorkflowRegistry:
    """The workflows with the facts in force. Raises ConfigurationError."""
    chosen = settings.runs
    defaults = WorkflowDefaults(chosen.step_timeout, chosen.max_retry + 1, chosen.kept_for)
    return register_workflows(workflows, settings.workflows, defaults)


class RunParts:
    """The parts that runs need, each made when it is first asked for. `build` makes a workflow with its own parts."""

    def __init__(
        self,
        settings: Settings,
        workflows: Sequence[type[Workflow]],
        clock: Clock,
        owner: Owner,
        store: Store,
        build: Callable[[type[Workflow]], Workflow],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._owner = owner
        self._store = store
        self._build = build
        self._inbox = Inbox()  # in which the desk finds the engine, if one drives runs in this process
        self.registry = workflows_of(settings, workflows)

    @cached_property
    def workflows(self) -> Mapping[str, Workflow]:
        """Raises ConfigurationError for one that cannot be built, or whose steps do not fit its machine."""
        return {facts.name: self._build(facts.workflow) for facts in self.registry.workflows}

    @cached_property
    def queue(self) -> Queue:
        """The queue as such."""
        return queue_of(self._settings, self._store, self._clock, self._options)

    @cached_property
    def run_queue(self) -> RunQueue:
        """The queue as runs use it."""
        return run_queue_of(self._settings, self._store, self._clock, self._options, lambda: self.queue)

    @cached_property
    def engine(self) -> Engine:
        """Raises ConfigurationError."""
        prepared = {name: Prepared(self.registry[name], steps_of(built)) for name, built in self.workflows.items()}
        to = Ledgers(self.claims, RunRecord(), self.run_queue, self.outbox.sinks, self.outbox.wake)
        size = self._settings.runs.concurrency
        box = BlackBox((self._settings.state_dir, self._owner))
        return Engine(self._store, self._clock, to, prepared, size=size, lease=LEASE, box=box, inbox=self._inbox)

    @cached_property
    def desk(self) -> RunDesk:
        """Where runs are submitted."""
        return RunDesk(self._store, self._clock, self.run_queue, self.registry, self.workflows, self._inbox)

    @cached_property
    def interventions(self) -> "Interventions":
        """What people do to runs."""
        from roundsman.runs.interventions import Interventions

        return Interventions(self._store, self._clock, self.run_queue, self.registry, self.workflows, self.outbox.sinks)

    def investigation(self, job: DrivingJob | None) -> "Investigation":
        """Whoever finds out why a run stands where it stands."""
        from roundsman.runs.findings import Investigation

        return Investigation(
            self._store,
            self._clock,
            lambda: self.queue,
            is_local=self._settings.queue.type == "local",
            registry=self.registry,
            workflows=lambda: self.workflows,
            job=job,
            here=lambda: self.driving_facts,
        )

    @cached_property
    def reconciler(self) -> Reconciler:
        return Reconciler(self._store, self._clock, self.run_queue, self.claims, self._settings.state_dir)

    @cached_property
    def neighbours(self) -> Neighbours:
        """Notices the death of other processes of this machine."""

        def take_over() -> None:
            self.reconciler.take_over()
            self.engine.wake()

        return Neighbours(self._store, self.claims, self._owner, take_over)

    @cached_property
    def claims(self) -> RunClaims:
        return RunClaims(str(self._owner), LEASE)

    @cached_property
    def outbox(self) -> Outbox:
        """Tells the world of the ends of runs."""
        return Outbox(self._store, self._clock, self._owner, sinks_of(self._settings, self._clock))

    def close(self) -> None:
        """Let go of the queue's connections, if there are any."""
        if "queue" in self.__dict__:
            self.queue.close()

    @property
    def driving_facts(self) -> DrivingFacts:
        """By which a daemon with these settings drives runs."""
        return DrivingFacts(self.run_queue.name, self._settings.runs.concurrency, self._limits)

    @property
    def _options(self) -> QueueOptions:
        return QueueOptions(str(self._owner), self._limits, LEASE)

    @property
    def _limits(self) -> Mapping[str, KindLimits]:
        return {
            facts.name: KindLimits(facts.concurrency, facts.rate)
            for facts in self.registry.workflows
            if facts.concurrency is not None or facts.rate is not None
        }
