"""Looks after the queue of runs: frees what dead processes held, sends what was lost, and lets the engine look.

The engine itself is woken by whatever enters the queue, so this job is the net below it: whatever wake-up is lost, and
whatever another daemon left behind, waits at most one round. A daemon on which this job is disabled drives no runs.
"""

from datetime import timedelta
from typing import ClassVar

from roundsman.runs.engine import Engine
from roundsman.runs.reconciler import Reconciler
from roundsman.runs.shift import serve_until_drained
from roundsman.scheduling.job import Job, JobContext, Outcome


class QueuePoller(Job):
    """In the foreground (`roundsman jobs run queue_poller`) it drives the queue until nothing is due any more."""

    name: ClassVar[str] = "queue_poller"
    schedule: ClassVar[str] = "every 30s"
    timeout: ClassVar[timedelta] = timedelta(hours=1)

    def __init__(self, engine: Engine, reconciler: Reconciler) -> None:
        self._engine = engine
        self._reconciler = reconciler
        self._counted: dict[str, int] = {}

    def run(self, ctx: JobContext) -> Outcome:
        found = self._reconciler.run_once()
        if self._engine.is_serving:
            self._engine.wake()
        else:
            serve_until_drained(self._engine, ctx.stop)
        counts = dict(self._engine.counts)
        since = {name: count - self._counted.get(name, 0) for name, count in counts.items()}
        self._counted = counts
        since |= {"freed": found.freed, "sent_again": found.sent_again}
        return Outcome.done(**{name: count for name, count in since.items() if count})
