"""The arguments and options that several commands share."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated

import typer

from roundsman.cli.session import Session
from roundsman.conversations.moment import parse_moment
from roundsman.errors import BadInputError
from roundsman.scheduling.registry import JobFacts
from roundsman.scheduling.trigger import parse_duration

LONGEST_SPAN = timedelta(days=366)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AtOption = Annotated[
    str | None, typer.Option("--at", metavar="TIME", help="Judge as of this time: ISO 8601, in UTC unless it says.")
]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="A job's name, as `jobs list` shows it.")]
JobOrAllArgument = Annotated[str | None, typer.Argument(metavar="[JOB]", help="All jobs when left out.")]


def moment_of(session: Session, at: str | None) -> datetime:
    """The time of `--at`, or now. Raises BadInputError."""
    if at is None:
        return session.clock.now()
    try:
        moment = parse_moment(at)
    except ValueError as error:
        raise BadInputError(f"--at {error}; write it like 2026-03-03T04:00:00Z.") from None
    if moment is None:
        raise BadInputError("--at is empty; write it like 2026-03-03T04:00:00Z.")
    return moment


def span(
    option: str, text: str, longest: timedelta = LONGEST_SPAN, read: Callable[[str], timedelta] = parse_duration
) -> timedelta:
    """`30s`, `5m`, `1h30m`, `2d`. Raises BadInputError."""
    try:
        found = read(text)
    except ValueError as error:
        raise BadInputError(f"{option}: {error}.") from None
    if found > longest:
        raise BadInputError(f"{option}: {text!r} is longer than {longest.days}d; give a shorter time.")
    return found


def plain_text(value: str | None) -> str | None:
    """For options that are compared with what is stored: a shell can hand over bytes that are no text.

    Raises BadInputError.
    """
    if value is not None and not value.isprintable():
        raise BadInputError(f"{value!a} is no name: it holds characters that cannot be printed; write it anew.")
    return value


def job_of(session: Session, job: str) -> JobFacts:
    """The job of that name. Raises BadInputError."""
    try:
        return session.app.registry[job]
    except KeyError:
        names = ", ".join(facts.name for facts in session.app.registry.jobs)
        raise BadInputError(f"There is no job {job!r}; the jobs are {names}.") from None
