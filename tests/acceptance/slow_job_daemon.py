"""The daemon with jobs of its own, for the acceptance tests: one that takes its time, one in a process of its own.

Started as `python slow_job_daemon.py run`, like `python daemon.py run`.
"""

import resource
from datetime import timedelta
from typing import ClassVar

from jobs import JOBS
from roundsman.cli import main
from roundsman.scheduling.job import Job, JobContext, Outcome


class SlowJob(Job):
    """Works for three seconds, whatever happens around it."""

    name = "slow"
    schedule = "every 1h"
    run_at_start = True
    timeout: ClassVar[timedelta] = timedelta(minutes=1)

    def run(self, ctx: JobContext) -> Outcome:
        ctx.log.info("slow work begins")
        ctx.stop.wait(3)
        if ctx.stop.is_set():
            return Outcome.cancelled("was asked to stop")
        ctx.log.info("slow work ends")
        return Outcome.done(steps=3)


class FencedJob(Job):
    """Looks at its own fence: the memory limit that its process was given."""

    name = "fenced"
    schedule = "every 1h"
    run_at_start = True
    isolate = True
    memory_limit_mib: ClassVar[int | None] = 700

    def run(self, ctx: JobContext) -> Outcome:
        ctx.stop.check()
        return Outcome.done(limit_mib=resource.getrlimit(resource.RLIMIT_AS)[0] >> 20)


if __name__ == "__main__":
    main((*JOBS, SlowJob, FencedJob))
