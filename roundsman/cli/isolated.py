"""`roundsman jobs isolated`: the child's side of a job that runs in a process of its own."""

import logging
import os
import sys
from datetime import datetime
from typing import Annotated

import typer

from roundsman import logs
from roundsman.cli.arguments import JobArgument, job_of
from roundsman.cli.session import Session
from roundsman.scheduling.job import JobContext, Outcome, StopToken


def isolated(
    ctx: typer.Context,
    job: JobArgument,
    answer_fd: Annotated[int, typer.Option(min=3)],
    due: Annotated[datetime, typer.Option(formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"])],
    memory_limit_mib: Annotated[int | None, typer.Option(min=16)] = None,
) -> None:
    """The child's side of an isolated job; started by the daemon only."""
    from roundsman.scheduling.isolation import answer_parent, stand_guard

    stand_guard(answer_fd)
    session: Session = ctx.obj

    def once(stop: StopToken) -> Outcome:
        # In here, so that settings or a store which are wrong by now become the error of this run.
        logs.setup(session.settings.log_level, session.settings.secrets())
        session.app.conversations.serve()
        work = session.app.parts.build(job_of(session, job).job)
        bound = logs.bind(logging.getLogger(f"jobs.{job}"), JOB=job)
        return work.run(JobContext(session.clock, bound, stop, due))

    answer_parent(once, answer_fd, memory_limit_mib)
    sys.stdout.flush()
    os._exit(0)  # the listening thread holds stdin; nothing is left to do
