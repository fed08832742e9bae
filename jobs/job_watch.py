"""Watches the other jobs: who fails, hangs or missed its ticks, and who runs but does nothing where something is usual.

It can tell nothing of a daemon that is down, or of itself while it cannot write: that is for systemd's watchdog.
"""

from datetime import timedelta

from roundsman.scheduling.job import CatchUp, Job, JobContext, Outcome
from roundsman.watch.overseer import Overseer


class JobWatch(Job):
    """What it judges by is explained in docs/jobs.md."""

    name = "job_watch"
    schedule = "every 1m"
    timeout = timedelta(minutes=1)
    catch_up = CatchUp.ONCE  # the first look after a downtime tells what was missed

    def __init__(self, overseer: Overseer) -> None:
        self._overseer = overseer

    def run(self, ctx: JobContext) -> Outcome:
        return Outcome.done(**self._overseer.look(self.name, ctx.due_at, ctx.clock.now()))
