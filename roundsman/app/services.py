"""The services that only the composition knows: the heartbeat in the store, and the scheduling of jobs."""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta

from roundsman import __version__
from roundsman.clock import Clock
from roundsman.errors import StoreError
from roundsman.owner import Owner
from roundsman.repositories.daemons import DaemonRecord, DaemonRepository
from roundsman.repositories.driving import DrivingFacts
from roundsman.repositories.engine import Store
from roundsman.repositories.forsaken import end_forsaken
from roundsman.repositories.store_file import StoreFile
from roundsman.runs.engine import Engine
from roundsman.runs.neighbours import Neighbours
from roundsman.runs.reconciler import Reconciler
from roundsman.scheduling.dispatcher import Dispatcher
from roundsman.scheduling.executor import Executor
from roundsman.scheduling.job import StopReason
from roundsman.scheduling.ledger import Ledger
from roundsman.scheduling.registry import JobFacts
from roundsman.scheduling.running import Work
from roundsman.scheduling.scheduler import Scheduler

PROBE_SECONDS = 2.0
"""A thread that does not answer within this time makes no progress."""

Jobs = Mapping[str, tuple[JobFacts, Work]]

log = logging.getLogger(__name__)


class Heartbeat:
    """Service: this daemon's row in the store. Its heartbeat is written at every round, as the proof that the store
    takes writes, and that it still is the one that others see."""

    name = "store"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        owner: Owner,
        status: Callable[[], str],
        driving: DrivingFacts | None,
        policies: Callable[[], str | None],
        pages: Callable[[], frozenset[str] | None],
    ) -> None:
        """`policies` tells the version of those by which conversations are judged here, if they are, and `pages` which
        are read from Pancake, as far as that is known."""
        self._store = store
        self._clock = clock
        self._owner = owner
        self._status = status
        self._driving = driving
        self._policies = policies
        self._pages = pages
        self._daemons = DaemonRepository()
        self._started_at = clock.now()
        self._file: StoreFile | None = None

    def start(self) -> None:
        with self._store.write() as connection:
            self._daemons.sweep(connection, self._clock.now())
            self._daemons.beat(connection, self._record())
        self._file = StoreFile(self._store)

    def stop(self) -> None:
        try:
            with self._store.write() as connection:
                self._daemons.leave(connection, self._owner)
        except StoreError:
            return  # a stale row is swept at the next start

    def ill(self) -> str | None:
        try:
            if self._file is not None:
                self._file.check()
            with self._store.write() as connection:
                self._daemons.beat(connection, self._record())
                ended = end_forsaken(connection)
        except StoreError as error:
            return str(error)
        if ended:
            log.warning("Transactions of a process that is cut off or stopped were ended: %d", ended)
        return None

    def _record(self) -> DaemonRecord:
        now = self._clock.now()
        owner = self._owner
        return DaemonRecord(
            str(owner),
            owner.host,
            owner.pid,
            __version__,
            self._started_at,
            now,
            self._status(),
            self._driving,
            self._policies(),
            self._pages(),
        )


class Driving:
    """Service: the engine of runs, which first puts right what dead processes left behind, and then sees them die."""

    name = "runs"

    def __init__(self, engine: Engine, reconciler: Reconciler, neighbours: Neighbours) -> None:
        self._engine = engine
        self._reconciler = reconciler
        self._neighbours = neighbours

    def start(self) -> None:
        self._reconciler.run_once()
        self._engine.start()
        self._neighbours.start()

    def stop(self) -> None:
        self._neighbours.stop()
        self._engine.stop()

    def look_around(self) -> None:
        """See who else is on this machine. Raises StoreError."""
        self._neighbours.look()

    def ill(self) -> str | None:
        if not self._engine.probe(PROBE_SECONDS):
            return self._engine.ill() or "the thread that drives runs does not answer"
        return self._engine.ill()


class Scheduling:
    """Service: alarms, dispatch and runs, which only make sense together."""

    name = "scheduling"

    def __init__(self, clock: Clock, ledger: Ledger) -> None:
        self._clock = clock
        self.executor = Executor(clock, lambda job, report: self.dispatcher.ended(job, report))
        self.dispatcher = Dispatcher(clock, ledger, self.executor)
        self._scheduler = Scheduler(self.dispatcher.ring)
        self._jobs: Jobs = {}

    def assign(self, jobs: Jobs, *, at_start: bool) -> None:
        """Set the jobs. Raises StoreError."""
        self._jobs = jobs
        self.dispatcher.assign(jobs, self._scheduler, at_start=at_start)
        self._scheduler.schedule(facts for facts, _ in jobs.values())

    def start(self) -> None:
        self.dispatcher.start()
        self._scheduler.start()
        if not self._scheduler.probe(PROBE_SECONDS) or not self.dispatcher.probe(PROBE_SECONDS):
            raise StoreError(f"The scheduler did not begin to work: {self.dispatcher.store_fault or 'no answer'}")

    def stop(self) -> None:
        self._scheduler.stop()
        self.dispatcher.stop()

    def ill(self) -> str | None:
        if not self._scheduler.probe(PROBE_SECONDS):
            return "the scheduler's loop does not turn"
        if not self.dispatcher.probe(PROBE_SECONDS):
            return self.dispatcher.store_fault or "the dispatcher does not answer"
        return None

    # --- stopping ---

    def halt(self) -> None:
        self._scheduler.stop()
        self.dispatcher.halt()

    def wait_idle(self, seconds: float) -> bool:
        return self.executor.wait_idle(seconds)

    def cancel(self) -> None:
        self.executor.stop_all(StopReason.SHUTDOWN)

    def give_up(self) -> list[str]:
        return self.executor.abandon_all()

    def look_around(self) -> None:
        self.dispatcher.take_over_from_dead()

    def clock_jumped(self, by: timedelta) -> None:
        if by < timedelta(0):
            self.dispatcher.forget_the_future()
            self._scheduler.schedule(facts for facts, _ in self._jobs.values())
        self._scheduler.wake()
