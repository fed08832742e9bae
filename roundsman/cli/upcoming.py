"""`roundsman jobs next`: when jobs are due, and what the clock changes do to that."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from roundsman.cli.arguments import JobOrAllArgument, JsonOption, job_of
from roundsman.cli.output import print_json, print_table, short_duration
from roundsman.cli.session import Session
from roundsman.errors import BadInputError
from roundsman.scheduling.registry import JobFacts


def next_times(
    ctx: typer.Context,
    job: JobOrAllArgument = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1000, help="How many times a job.")] = 5,
    cron: Annotated[str | None, typer.Option(help="Try a schedule instead: a cron line or `every 30s`.")] = None,
    zone: Annotated[str | None, typer.Option(help="Time zone for --cron; the daemon's own when left out.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the next times of jobs, or of a schedule to try out. Clock changes are pointed out."""
    session: Session = ctx.obj
    now = session.clock.now()
    triggers = {"-": _trial(session, cron, zone)} if cron else {f.name: f.trigger for f in _chosen(session, job)}
    listing: list[dict[str, Any]] = []
    for name, trigger in triggers.items():
        moment: datetime | None = now
        local_zone = getattr(trigger, "zone", session.settings.time_zone)
        for _ in range(count):
            previous, moment = moment, trigger.next_after(moment) if moment else None
            if moment is None:
                break
            local = moment.astimezone(local_zone)
            shift = None if previous is None else local.utcoffset() != previous.astimezone(local_zone).utcoffset()
            listing.append({"job": name, "due_at": moment, "local": local.isoformat(), "clock_change": bool(shift)})
    if as_json:
        print_json(listing)
        return
    print_table(
        ["JOB", "LOCAL TIME", "UTC", "IN"],
        [
            (
                row["job"],
                f"{row['local']}{'  (the clocks change before)' if row['clock_change'] else ''}",
                row["due_at"].strftime("%Y-%m-%d %H:%M:%S"),
                short_duration(row["due_at"] - now),
            )
            for row in listing
        ],
    )


def _chosen(session: Session, job: str | None) -> Sequence[JobFacts]:
    return session.app.registry.enabled if job is None else [job_of(session, job)]


def _trial(session: Session, cron: str, zone: str | None) -> Any:
    from roundsman.scheduling.trigger import parse_trigger

    try:
        chosen = ZoneInfo(zone) if zone else session.settings.time_zone
    except (KeyError, ValueError, OSError):
        raise BadInputError(f"--zone: {zone!r} is no time zone; write one such as Europe/Berlin.") from None
    try:
        return parse_trigger(cron, chosen)
    except ValueError as error:
        raise BadInputError(f"--cron: {error}.") from None
