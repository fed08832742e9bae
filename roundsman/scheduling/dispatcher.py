"""From an alarm to a run: plans the ticks that are owed, claims them in the ledger, starts what it won.

One thread takes everything that came in since it last looked (alarms of jobs that fell due, ends of runs) and
writes all of it in one transaction: a hundred jobs due in the same second cost one commit. While the store is
away nothing is forgotten: what could not be written stays here and is tried again, and the daemon's watchdog is
told that there is no progress.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from roundsman.clock import Clock
from roundsman.errors import StoreError
from roundsman.logs import fields
from roundsman.scheduling.executor import Executor
from roundsman.scheduling.inbox import Ended, Inbox, Item, Probe, Quit, Rung
from roundsman.scheduling.ledger import Ledger, Origin, RunReport, TickEntry
from roundsman.scheduling.post import Post, never_began
from roundsman.scheduling.registry import JobFacts
from roundsman.scheduling.run_log import log_end
from roundsman.scheduling.running import Work
from roundsman.scheduling.takeover import Takeover, free_the_future, take_back, take_over

RETRY_STORE_AFTER = timedelta(seconds=1)

log = logging.getLogger(__name__)


class Alarms(Protocol):
    """Who rings when a job is due: the scheduler."""

    def ring_once(self, job: str, at: datetime) -> None:
        """Ring once more at that moment, beside the schedule."""
        ...


class Dispatcher:
    """Service. Fed by `ring` and `ended`; tests call `run_once` instead of starting the thread."""

    def __init__(self, clock: Clock, ledger: Ledger, executor: Executor) -> None:
        self._clock = clock
        self._ledger = ledger
        self._executor = executor
        self._alarms: Alarms | None = None
        self._inbox = Inbox()
        self._lock = threading.Lock()
        self._posts: dict[str, Post] = {}
        self._entries: list[TickEntry] = []
        self._reports: list[RunReport] = []
        self._halting = False
        self._store_fault: str | None = None
        self._thread: threading.Thread | None = None

    # --- fed from any thread ---

    def ring(self, job: str, due_at: datetime | None = None, origin: Origin = Origin.SCHEDULE) -> None:
        """The job may have ticks that are due; with `due_at`, this one beside its schedule."""
        self._inbox.put(Rung(job, due_at, origin))

    def ended(self, job: str, report: RunReport) -> None:
        """A run has ended (the executor's callback)."""
        self._inbox.put(Ended(job, report))

    def probe(self, seconds: float) -> bool:
        """True when the thread takes items within so long and the store takes what it writes."""
        answered = threading.Event()
        self._inbox.put(Probe(answered))
        return answered.wait(seconds)

    @property
    def store_fault(self) -> str | None:
        """Why nothing can be written at present."""
        return self._store_fault

    # --- life ---

    def assign(self, jobs: Mapping[str, tuple[JobFacts, Work]], alarms: Alarms, *, at_start: bool) -> None:
        """Set the jobs, at start and after a reload. Raises StoreError.

        Accounts for the ticks since each new job was last looked after, and takes back interrupted runs.
        """
        now = self._clock.now()
        self._interrupt_dead(now)
        with self._lock:
            self._alarms = alarms
            posts = {}
            for name, (facts, work) in jobs.items():
                post = self._posts.get(name)
                if post is None or post.facts.trigger.text != facts.trigger.text:
                    found = take_over(self._ledger, facts, now, at_start=at_start)
                    post = Post(facts, work, now, post.waiting if post else deque())
                    self._account(post, found, alarms)
                    if at_start and facts.run_at_start and not found.will_run:
                        self.ring(name, now, Origin.START)
                post.facts, post.work = facts, work
                posts[name] = post
            self._interrupt_waiting(now, self._posts.keys() - posts.keys())
            self._posts = posts

    def _account(self, post: Post, found: Takeover, alarms: Alarms) -> None:
        self._entries.extend(found.entries)
        post.waiting.extend(found.runs)
        if found.snoozed_until is not None:
            alarms.ring_once(post.facts.name, found.snoozed_until)

    def take_over_from_dead(self) -> None:
        """Take over what another daemon on this store left running when it died. Raises StoreError."""
        now = self._clock.now()
        jobs = self._interrupt_dead(now)
        if not jobs:
            return
        with self._lock:
            for post in (self._posts[job] for job in jobs if job in self._posts):
                post.waiting.extend(take_back(self._ledger, post.facts, now))
        self._inbox.put(Probe(threading.Event()))  # any item makes it look for runs to start

    def _interrupt_dead(self, now: datetime) -> list[str]:
        jobs = self._ledger.interrupt_dead(now)
        for job in jobs:
            log.warning("%s was running when its daemon died; marked interrupted", job, extra=fields(JOB=job))
        return jobs

    def start(self) -> None:
        self._halting = False
        self._thread = threading.Thread(target=self._loop, name="dispatcher", daemon=True)
        self._thread.start()

    def halt(self) -> None:
        """Claim no more. Claimed ticks that have not begun are interrupted; ends of runs are still written."""
        with self._lock:
            self._halting = True
            self._interrupt_waiting(self._clock.now(), self._posts.keys())

    def stop(self) -> None:
        """Write what is left and end the thread."""
        self._inbox.put(Quit())
        if self._thread is not None:
            self._thread.join(2 * RETRY_STORE_AFTER.total_seconds())
            if self._thread.is_alive():
                log.error("The store did not take the last entries of the ledger: %s", self._store_fault)

    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def forget_the_future(self) -> None:
        """The wall clock was set back: free what a clock that was ahead has used up, go on from now.

        Raises StoreError.
        """
        with self._lock:
            now = self._clock.now()
            for post in self._posts.values():
                freed = free_the_future(self._ledger, post.facts, now)
                post.accounted_until = min(post.accounted_until, now)
                if freed:
                    log.warning("%s: %d ticks of the time before are free again", post.facts.name, freed)

    # --- the work ---

    def _loop(self) -> None:
        wait: float | None = None
        self.run_once([])
        while True:
            items = self._inbox.take(wait)
            wait = self.run_once(items)
            if any(isinstance(item, Quit) for item in items) and self._store_fault is None:
                return

    def run_once(self, items: list[Item] | None = None) -> float | None:
        """One pass over what came in; returns the seconds after which to pass again, None when there is no need."""
        if items is None:
            items = self._inbox.take(0.0)
        with self._lock:
            now = self._clock.now()
            for item in items:
                if isinstance(item, Rung) and not self._halting:
                    self._entries.extend(self._due(item, now))
                elif isinstance(item, Ended):
                    self._end(item)
            if not self._write(now):
                for item in items:
                    if isinstance(item, Probe | Quit):
                        self._inbox.put(item)
                return RETRY_STORE_AFTER.total_seconds()
            for item in items:
                if isinstance(item, Probe):
                    item.answered.set()
            self._launch()
        return self._executor.enforce()

    def _due(self, rung: Rung, now: datetime) -> list[TickEntry]:
        post = self._posts.get(rung.job)
        if post is None:
            return []
        entries = post.owed(now) if rung.due_at is None else [post.beside_the_schedule(rung.due_at, rung.origin, now)]
        elapsed = self._executor.running_for(rung.job)
        if elapsed is None:
            return entries
        return [post.overlapping(entry, elapsed) if entry.runs else entry for entry in entries]

    def _end(self, ended: Ended) -> None:
        self._reports.append(ended.report)
        log_end(ended.job, ended.report)
        if ended.report.again_at is not None and self._alarms is not None and not self._halting:
            self._alarms.ring_once(ended.job, ended.report.again_at)

    def _write(self, now: datetime) -> bool:
        """Commit what has gathered; False when the store is away."""
        if not self._entries and not self._reports:
            return True
        try:
            claimed = self._ledger.commit(self._entries, self._reports, now)
        except StoreError as error:
            if self._store_fault is None:
                log.error("The ledger cannot be written: %s Ticks wait until it can.", error)
            self._store_fault = str(error)
            return False
        if self._store_fault is not None:
            log.warning("The ledger can be written again")
            self._store_fault = None
        self._entries, self._reports = [], []
        for won in claimed:
            post = self._posts.get(won.entry.job)
            if post is None or self._halting:
                self._reports.append(never_began(won, now))
            else:
                post.waiting.append(won)
        # What was won just as the daemon began to stop, or for a job that a reload has just switched off, is given back
        return not self._reports or self._write(now)

    def _interrupt_waiting(self, now: datetime, jobs: Iterable[str]) -> None:
        for job in jobs:
            self._reports.extend(self._posts[job].give_back(now))

    def _launch(self) -> None:
        for post in self._posts.values():
            if post.waiting and self._executor.running_for(post.facts.name) is None:
                self._executor.submit(post.waiting.popleft(), post.work, post.facts.timeout)
