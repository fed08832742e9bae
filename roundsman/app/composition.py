"""All parts, joined once from the settings. Nothing here runs yet: `Daemon` starts them, commands just use them."""

import sys
from collections.abc import Callable, Sequence
from functools import cached_property

from config import Settings
from roundsman.alerts.answers import AnswerDesk
from roundsman.alerts.book import AlertBook
from roundsman.alerts.channels.base import Channel
from roundsman.alerts.keeper import AlertKeeper
from roundsman.alerts.listeners.base import Listener, Listening
from roundsman.alerts.rules.route import Rules
from roundsman.alerts.sender import Sender
from roundsman.alerts.templates import Language, OwnTexts
from roundsman.app.answers import desk_of, listeners_of
from roundsman.app.channels import channels_of
from roundsman.app.conversations import ConversationParts
from roundsman.app.parts import Parts, asks_for
from roundsman.app.policies import Policies, policies_of
from roundsman.app.runs import RunParts
from roundsman.app.settings import registry_of
from roundsman.app.templates import texts_of
from roundsman.clock import Clock
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.live import LiveSync
from roundsman.conversations.pancake.live import LivePancake
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.source import ConversationSource
from roundsman.fsm.workflow import Workflow
from roundsman.monitor.page_roll import PagesSetUp
from roundsman.owner import Owner
from roundsman.queues.base import Queue
from roundsman.repositories.engine import Store
from roundsman.repositories.place import store_options
from roundsman.repositories.schema import ensure_schema
from roundsman.repositories.ticks import TickRepository
from roundsman.runs.desk import RunDesk
from roundsman.runs.drivers import DrivingJob
from roundsman.runs.engine import Engine
from roundsman.runs.reconciler import Reconciler
from roundsman.scheduling.isolation import IsolatedWork
from roundsman.scheduling.job import Job
from roundsman.scheduling.registry import JobFacts
from roundsman.scheduling.running import Work
from roundsman.watch.overseer import Overseer


class App:
    """The parts of one process. Opening the store ensures its schema (raises StoreError)."""

    def __init__(
        self, settings: Settings, jobs: Sequence[type[Job]], workflows: Sequence[type[Workflow]], clock: Clock
    ) -> None:
        self.settings = settings
        self.jobs = tuple(jobs)
        self.workflows = tuple(workflows)
        self.clock = clock
        self.owner = Owner.this_process()
        self.registry = registry_of(settings, self.jobs)

    @cached_property
    def store(self) -> Store:
        store = Store(store_options(self.settings.store))
        ensure_schema(store, backups=self.settings.state_dir / "backups", clock=self.clock)
        return store

    @cached_property
    def ticks(self) -> TickRepository:
        return TickRepository(self.store, self.owner)

    @cached_property
    def channels(self) -> tuple[Channel, ...]:
        return channels_of(self.settings, self.clock, lambda: self.store)

    @cached_property
    def policies(self) -> Policies:
        """What their file says, or what holds without one. Raises ConfigurationError."""
        return policies_of(self.settings)

    @property
    def rules(self) -> Rules:
        """Where alerts go. Raises ConfigurationError."""
        return self.policies.rules

    @cached_property
    def sender(self) -> Sender:
        return Sender(
            self.store,
            self.clock,
            self.owner,
            self.channels,
            language=Language(self.settings.alerts.language),
            zone=self.settings.time_zone,
            verifiers=self.conversations.verifiers,
            keep=lambda: self.keeper.keep(),
            own_texts=self.own_texts,
        )

    @cached_property
    def own_texts(self) -> OwnTexts | None:
        """Raises ConfigurationError."""
        return texts_of(self.settings, self.rules)

    @cached_property
    def book(self) -> AlertBook:
        names = [channel.name for channel in self.channels]
        return AlertBook(self.store, self.clock, names, lambda: self.sender.wake(), self.rules)

    @cached_property
    def keeper(self) -> AlertKeeper:
        return AlertKeeper(self.store, self.clock, self.book)

    @cached_property
    def answers(self) -> AnswerDesk:
        """Where people answer alerts, from chat and by commands."""
        return desk_of(
            lambda: self.settings,
            lambda: self.conversations.policies,
            self.clock,
            lambda: self.store,
            self._wake_sender,
        )

    @cached_property
    def listening(self) -> Listening:
        """Who hears of pressed buttons."""
        return Listening(self.answers, self._listeners(self.settings))

    @cached_property
    def overseer(self) -> Overseer:
        return Overseer(self.store, self.book, lambda: self.registry, lambda: self.settings.time_zone)

    @cached_property
    def conversations(self) -> ConversationParts:
        return ConversationParts(self.settings, lambda: self.policies.book, lambda: self.store, self.clock)

    @cached_property
    def runs(self) -> RunParts:
        """Raises ConfigurationError."""
        workflow_parts = Parts({Store: lambda: self.store, Clock: lambda: self.clock, AlertBook: lambda: self.book})
        return RunParts(self.settings, self.workflows, self.clock, self.owner, self.store, workflow_parts.build)

    def works(self) -> dict[str, tuple[JobFacts, Work]]:
        """Every enabled job, built with its parts. Raises ConfigurationError."""
        return {facts.name: (facts, self.work(facts)) for facts in self.registry.enabled}

    @property
    def drives_runs(self) -> bool:
        """Whether an enabled job has asked for the engine."""
        return Engine in self.parts.used

    @property
    def driving_job(self) -> DrivingJob | None:
        """The job that makes a daemon drive runs, an enabled one if there is one. Nothing is built."""
        found = [DrivingJob(facts.name, facts.enabled) for facts in self.registry.jobs if asks_for(facts.job, Engine)]
        return max(found, key=lambda job: job.enabled, default=None)

    @cached_property
    def parts(self) -> Parts:
        """What jobs can ask for in their constructors."""
        return Parts(
            {
                Store: lambda: self.store,
                Clock: lambda: self.clock,
                AlertBook: lambda: self.book,
                TickRepository: lambda: self.ticks,
                Overseer: lambda: self.overseer,
                PolicyBook: lambda: self.conversations.policies,
                ConversationSource: lambda: self.conversations.source,
                WatchKeeper: lambda: self.conversations.keeper,
                PagesSetUp: lambda: PagesSetUp(
                    self.conversations.pages_set_up, lambda: self.conversations.pages_before
                ),
                LivePancake: lambda: self.conversations.pancake,
                LiveSync: lambda: self.conversations.mongo_sync,
                Engine: lambda: self.runs.engine,
                Reconciler: lambda: self.runs.reconciler,
                RunDesk: lambda: self.runs.desk,
                Queue: lambda: self.runs.queue,
            }
        )

    def reconfigure(
        self,
        settings: Settings,
        policies: Policies | None = None,
        read_texts: Callable[[Settings, Rules], OwnTexts | None] = texts_of,
    ) -> None:
        """Take other settings for all that can change while it runs; and these policies and texts, or those they ask
        for.

        Raises ConfigurationError and StoreError, changing nothing.
        """
        settings = settings.with_source_of(self.settings)
        registry = registry_of(settings, self.jobs)
        policies = policies or policies_of(settings)
        channels = channels_of(settings, self.clock, lambda: self.store)
        texts = read_texts(settings, policies.rules)
        self.sender.replace(
            channels, language=Language(settings.alerts.language), zone=settings.time_zone, own_texts=texts
        )
        self.conversations.replace(settings, policies.book)
        if "listening" in self.__dict__:
            self.listening.replace(self._listeners(settings))
        self.settings, self.registry, self.channels, self.policies = settings, registry, channels, policies
        self.own_texts = texts
        self.book.replace([channel.name for channel in channels], policies.rules)

    def _wake_sender(self) -> None:
        if "sender" in self.__dict__:  # else nothing sends here, as in a command
            self.sender.wake()

    def _listeners(self, settings: Settings) -> Sequence[Listener]:
        return listeners_of(settings, self.clock, lambda: self.store, str(self.owner))

    def close(self) -> None:
        """Let go of what was opened."""
        if "runs" in self.__dict__:
            self.runs.close()
        if "conversations" in self.__dict__:
            self.conversations.close()
        if "store" in self.__dict__:
            self.store.close()

    def work(self, facts: JobFacts) -> Work:
        """What the executor calls for one job. Raises ConfigurationError."""
        job = self.parts.build(facts.job)
        if facts.isolate:
            command = (sys.executable, sys.argv[0], "jobs", "isolated")
            return IsolatedWork(facts.name, command, facts.memory_limit_mib)
        return job.run
