"""Runs jobs, each in a thread of its own, under a timeout, always ending in exactly one outcome.

Own threads, because a pool of fixed size lets a few hanging jobs starve all others, and because pool threads are
joined when the interpreter exits, which makes a bounded stop impossible. Threads here are daemon threads, kept
for reuse; a job has at most one run at a time, so there are never more of them than jobs.

A thread cannot be killed. A run that ignores its stop token for longer than the grace is recorded as timed out
(or interrupted) and abandoned: its thread stays occupied, the job's further ticks are `overlapped` until it
returns, and all other jobs go on. Work that may hang for ever belongs in an isolated job.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from roundsman.clock import Clock
from roundsman.logs import bind
from roundsman.scheduling.job import JobContext, StopReason, StopToken
from roundsman.scheduling.ledger import Claimed, RunReport
from roundsman.scheduling.running import WHY, Running, Work, cut_off, perform, report_of

GRACE = timedelta(seconds=5)
"""How long a run may take to obey its stop token."""
_IDLE_THREAD_LIVES = timedelta(seconds=60)

log = logging.getLogger(__name__)


class Executor:
    """Runs what it is given; `on_end` is called once for every run, from any thread."""

    def __init__(self, clock: Clock, on_end: Callable[[str, RunReport], None], grace: timedelta = GRACE) -> None:
        self._clock = clock
        self._on_end = on_end
        self._grace = grace.total_seconds()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._running: dict[str, Running] = {}
        self._inbox: deque[Running] = deque()
        self._work_waits = threading.Condition(self._lock)
        self._idle = 0
        self._waking = False
        """A thread is on its way to the inbox."""
        self._names = 0

    def submit(self, claimed: Claimed, work: Work, timeout: timedelta) -> None:
        """Start a run now. The job must not be running (see `running_since`)."""
        run = Running(claimed, work, timeout, StopToken(), self._clock.monotonic())
        with self._lock:
            if run.job in self._running:
                raise RuntimeError(f"{run.job} is already running")
            self._running[run.job] = run
            self._inbox.append(run)
            if not self._waking:
                self._wake_one()

    def running_for(self, job: str) -> timedelta | None:
        """How long the job's present run has taken; None when it does not run. Counts abandoned runs."""
        with self._lock:
            run = self._running.get(job)
            return None if run is None else timedelta(seconds=self._clock.monotonic() - run.submitted)

    def running(self) -> dict[str, timedelta]:
        """The jobs that run now and for how long, without abandoned ones."""
        with self._lock:
            now = self._clock.monotonic()
            return {
                run.job: timedelta(seconds=now - run.submitted) for run in self._running.values() if not run.reported
            }

    def enforce(self) -> float | None:
        """Set the tokens of runs past their timeout, abandon those past the grace too.

        Returns the seconds until the next such moment, None when nothing runs.
        """
        abandoned = []
        with self._lock:
            now = self._clock.monotonic()
            moments = []
            for run in self._running.values():
                if run.reported:
                    continue
                if run.told_to_stop is None and now >= run.submitted + run.timeout.total_seconds():
                    self._tell(run, StopReason.TIMEOUT, now)
                if run.told_to_stop is None:
                    moments.append(run.submitted + run.timeout.total_seconds())
                elif now >= run.told_to_stop + self._grace:
                    run.reported = True
                    abandoned.append(run)
                else:
                    moments.append(run.told_to_stop + self._grace)
        for run in abandoned:
            self._abandon(run)
        return min(moments) - now if moments else None

    def stop_all(self, reason: StopReason) -> None:
        """Set the token of every run."""
        with self._lock:
            for run in self._running.values():
                if not run.reported:
                    self._tell(run, reason, self._clock.monotonic())

    def abandon_all(self) -> list[str]:
        """Record every run that has not ended as interrupted; returns their jobs."""
        with self._lock:
            left = [run for run in self._running.values() if not run.reported]
            for run in left:
                run.stop.set(StopReason.SHUTDOWN)
                run.reported = True
        for run in left:
            self._abandon(run)
        return [run.job for run in left]

    def wait_idle(self, seconds: float) -> bool:
        """Wait until nothing runs (abandoned runs aside), at most so long; True when nothing does."""
        with self._lock:
            return self._changed.wait_for(lambda: all(run.reported for run in self._running.values()), seconds)

    # --- one thread ---

    def _wake_one(self) -> None:
        """Bring one thread to the inbox. Whoever takes a run there and leaves others behind brings the next.

        So no run waits behind one that blocks, yet a hundred short runs that are due together are done by a few
        threads: waking a hundred costs more than the work.
        """
        self._waking = True
        if self._idle:
            self._work_waits.notify()
        else:
            self._names += 1
            threading.Thread(target=self._serve, name=f"job-{self._names}", daemon=True).start()

    def _serve(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
                found = self._work_waits.wait_for(lambda: bool(self._inbox), _IDLE_THREAD_LIVES.total_seconds())
                self._idle -= 1
                self._waking = False
                if not found:
                    return
                run = self._inbox.popleft()
                if self._inbox:
                    self._wake_one()
            self._execute(run)

    def _execute(self, run: Running) -> None:
        run.started_at = self._clock.now()
        outcome, error = perform(run, self._context(run))
        report = report_of(run, outcome, error, self._clock.now())
        with self._lock:
            del self._running[run.job]
            first, run.reported = not run.reported, True
            self._changed.notify_all()
        if first:
            self._on_end(run.job, report)
        else:
            log.warning("%s has come back at last; its outcome was already recorded", run.job)

    def _context(self, run: Running) -> JobContext:
        bound = bind(logging.getLogger(f"jobs.{run.job}"), JOB=run.job, RUN_ID=run.claimed.tick_id)
        return JobContext(self._clock, bound, run.stop, run.claimed.entry.due_at, run.started_at)

    def _tell(self, run: Running, reason: StopReason, now: float) -> None:
        if run.told_to_stop is None:
            run.told_to_stop = now
            run.stop.set(reason)

    def _abandon(self, run: Running) -> None:
        elapsed = self._clock.monotonic() - run.submitted
        log.error("%s ignored its stop token and is abandoned after %.1f s", run.job, elapsed)
        self._on_end(
            run.job,
            RunReport(
                run.claimed.tick_id,
                run.started_at,
                self._clock.now(),
                cut_off(run.stop.reason),
                reason=f"{WHY[run.stop.reason]}; it ignored its stop token and still occupies its thread",
            ),
        )
        with self._lock:
            self._changed.notify_all()
