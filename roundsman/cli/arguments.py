"""The arguments and options that several commands about jobs share."""

from typing import Annotated

import typer

from roundsman.cli.session import Session
from roundsman.errors import BadInputError
from roundsman.scheduling.registry import JobFacts

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="A job's name, as `jobs list` shows it.")]
JobOrAllArgument = Annotated[str | None, typer.Argument(metavar="[JOB]", help="All jobs when left out.")]


def job_of(session: Session, job: str) -> JobFacts:
    """The job of that name. Raises BadInputError."""
    try:
        return session.app.registry[job]
    except KeyError:
        names = ", ".join(facts.name for facts in session.app.registry.jobs)
        raise BadInputError(f"There is no job {job!r}; the jobs are {names}.") from None
