"""APScheduler, which only fires: an alarm per job, handed on at once. Nothing else of it is used.

Its own executors, misfire rules and job stores stay out: they run jobs in pools that cannot be stopped in time,
drop what is a second late, and write a row for every firing. Here a firing only says "this job may be due"; the
dispatcher works out which ticks are owed, by the clock, and the ledger decides who runs them.

It sleeps on the monotonic clock, which stands still while a machine is suspended and knows nothing of a wall
clock that is set forward: whoever notices such a jump calls `wake`.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from apscheduler.executors.base import BaseExecutor
from apscheduler.job import Job as ApsJob
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.date import DateTrigger

from roundsman.scheduling.ledger import Origin
from roundsman.scheduling.registry import JobFacts
from roundsman.scheduling.trigger import Trigger

Ring = Callable[[str, datetime | None, Origin], None]


class Scheduler:
    """Service. Rings `ring(job, None, schedule)` when a job is due, or with a moment for a one-off alarm."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._engine = _Engine(timezone=UTC)
        self._engine.add_executor(_Bell(), "default")

    def schedule(self, jobs: Iterable[JobFacts]) -> None:
        """Replace all alarms."""
        wanted = {facts.name: facts for facts in jobs}
        for known in self._engine.get_jobs():
            if known.name not in wanted or known.id == known.name:
                known.remove()
        for facts in wanted.values():
            self._engine.add_job(
                self._ring,
                _Alarm(facts.name, facts.trigger, facts.jitter),
                args=(facts.name, None, Origin.SCHEDULE),
                id=facts.name,
                name=facts.name,
                misfire_grace_time=None,
                coalesce=True,
            )

    def ring_once(self, job: str, at: datetime) -> None:
        """One alarm beside the schedule, for a snoozed run."""
        self._engine.add_job(
            self._ring,
            DateTrigger(at, UTC),
            args=(job, at, Origin.SNOOZE),
            id=f"{job} again",
            name=job,
            misfire_grace_time=None,
            replace_existing=True,
        )

    def start(self) -> None:
        self._engine.start()

    def stop(self) -> None:
        """No alarm rings after this returned. Safe to call twice."""
        if self._engine.running:
            self._engine.shutdown(wait=False)

    def wake(self) -> None:
        """Look at the clock now."""
        self._engine.wakeup()

    def probe(self, seconds: float) -> bool:
        """True when its thread makes a pass within so long."""
        passed = self._engine.next_pass()
        self._engine.wakeup()
        return passed.wait(seconds)

    def alive(self) -> bool:
        return bool(self._engine.running)


class _Engine(BackgroundScheduler):  # type: ignore[misc] # APScheduler 3 has no types
    """Tells when it has made a pass, as proof that its thread lives."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self._passed = threading.Event()

    def next_pass(self) -> threading.Event:
        """An event that the next whole pass sets."""
        self._passed = threading.Event()
        return self._passed

    def _process_jobs(self) -> float | None:
        passed = self._passed
        wait: float | None = super()._process_jobs()
        passed.set()
        return wait


class _Bell(BaseExecutor):  # type: ignore[misc] # APScheduler 3 has no types
    """Calls the alarm in the scheduler's own thread: it only puts an item into a queue."""

    def submit_job(self, job: ApsJob, _run_times: list[datetime]) -> None:
        job.func(*job.args)

    # The base class counts instances around this one and would refuse a second alarm; it is never reached.
    _do_submit_job = submit_job


class _Alarm(BaseTrigger):  # type: ignore[misc] # APScheduler 3 has no types
    """Our trigger in APScheduler's words, with jitter.

    After a gap it does not ring once for each tick that was missed but once for all: the dispatcher asks the
    trigger itself what was due.
    """

    def __init__(self, job: str, trigger: Trigger, jitter: timedelta) -> None:
        self._job = job
        self._trigger = trigger
        self._jitter = jitter

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """The time to ring for the next tick. Asked twice for each firing, so it keeps no state."""
        after = now if previous is None else max(self._due_of(previous), now - self._jitter)
        due = self._trigger.next_after(after)
        return None if due is None else due + self._offset(due)

    def _due_of(self, fired: datetime) -> datetime:
        """The tick for which it rang at that time."""
        if not self._jitter:
            return fired
        candidates = self._trigger.between(fired - self._jitter - timedelta(microseconds=1), fired)
        return next((due for due in candidates if due + self._offset(due) == fired), fired)

    def _offset(self, due: datetime) -> timedelta:
        """Between nothing and the jitter, by a hash: the same tick keeps its offset when it is looked at again."""
        if not self._jitter:
            return timedelta(0)
        digest = hashlib.blake2b(f"{self._job} {due.timestamp()}".encode(), digest_size=8).digest()
        return self._jitter * (int.from_bytes(digest, "big") / 2**64)
