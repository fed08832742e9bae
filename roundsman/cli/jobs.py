"""`roundsman jobs`: list, next, run, pause, resume, history."""

import getpass
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from roundsman import logs
from roundsman.cli.group import command_group
from roundsman.cli.output import print_json, print_table, say, short_duration
from roundsman.cli.session import Session
from roundsman.errors import EXIT_DONE, EXIT_FAILED, BadInputError
from roundsman.repositories.ticks import TickRecord
from roundsman.scheduling.job import JobContext, Outcome, OutcomeKind, StopToken
from roundsman.scheduling.registry import JobFacts

app = command_group()

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="A job's name, as `jobs list` shows it.")]
_BARS = "▁▂▃▄▅▆▇█"


@app.command("list")
def list_jobs(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the jobs with their schedule, their next tick and how the last run ended."""
    session: Session = ctx.obj
    now = session.clock.now()
    ticks = session.app.ticks
    with session.store.read() as connection:
        paused = ticks.paused(connection)
        running = {record.job for record in ticks.running(connection)}
        last = {
            facts.name: next(iter(ticks.history(connection, facts.name, limit=1, runs_only=True)), None)
            for facts in session.app.registry.jobs
        }
    listing = [
        {
            "job": facts.name,
            "schedule": facts.trigger.text,
            "state": _state(facts, paused, running),
            "next": facts.trigger.next_after(now) if facts.enabled else None,
            "last_due": tick.due_at if (tick := last[facts.name]) else None,
            "last_outcome": tick.outcome if tick else None,
            "last_counters": tick.counters if tick else {},
            "timeout_s": facts.timeout.total_seconds(),
            "overlap": facts.overlap,
            "catch_up": facts.catch_up,
            "isolate": facts.isolate,
        }
        for facts in session.app.registry.jobs
    ]
    if as_json:
        print_json(listing)
        return
    print_table(
        ["JOB", "SCHEDULE", "STATE", "NEXT", "LAST RUN"],
        [
            (
                row["job"],
                row["schedule"],
                row["state"],
                _local(row["next"], session.settings.time_zone),
                _last_words(last[str(row["job"])], session.settings.time_zone),
            )
            for row in listing
        ],
    )


@app.command("next")
def next_times(
    ctx: typer.Context,
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="All jobs when left out.")] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1000, help="How many times a job.")] = 5,
    cron: Annotated[str | None, typer.Option(help="Try a schedule instead: a cron line or `every 30s`.")] = None,
    zone: Annotated[str | None, typer.Option(help="Time zone for --cron; the daemon's own when left out.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the next times of a job, or of a schedule that is not in use yet, with clock changes pointed out."""
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


@app.command()
def run(ctx: typer.Context, job: JobArgument, as_json: JsonOption = False) -> None:
    """Run a job now, in the foreground, under the same ledger; exit 1 when it does not end well."""
    from roundsman.app.foreground import run_in_foreground

    session: Session = ctx.obj
    facts = _one(session, job)
    logs.setup(session.settings.log_level, session.settings.secrets())
    record = run_in_foreground(session.app, facts)
    if as_json:
        print_json(_row(record))
    else:
        say(f"{record.job}: {_last_words(record, session.settings.time_zone)}")
    good = record.outcome in (OutcomeKind.DONE, OutcomeKind.SNOOZED, OutcomeKind.CANCELLED)
    raise typer.Exit(EXIT_DONE if good else EXIT_FAILED)


@app.command()
def pause(ctx: typer.Context, job: JobArgument) -> None:
    """Pause a job: its ticks are recorded as paused and do not run, in every daemon on this store."""
    _set_paused(ctx.obj, job, by=_person())


@app.command()
def resume(ctx: typer.Context, job: JobArgument) -> None:
    """End the pause of a job."""
    _set_paused(ctx.obj, job, by=None)


@app.command()
def history(
    ctx: typer.Context,
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="All jobs when left out.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="How many ticks.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show what became of the last ticks, the newest first, with durations."""
    session: Session = ctx.obj
    if job is not None:
        _one(session, job)
    with session.store.read() as connection:
        records = session.app.ticks.history(connection, job, limit=limit)
    if as_json:
        print_json([_row(record) for record in records])
        return
    zone = session.settings.time_zone
    print_table(
        ["JOB", "DUE", "STATE", "OUTCOME", "TOOK", "WHAT"],
        [
            (
                record.job,
                _local(record.due_at, zone),
                record.state if record.stands_for == 1 else f"{record.state} x {record.stands_for}",
                record.outcome or ("running" if record.started_at or record.attempt else ""),
                short_duration(record.duration) if record.duration is not None else "",
                _what(record),
            )
            for record in records
        ],
    )
    durations = [d.total_seconds() for record in reversed(records) if (d := record.duration) is not None]
    if job is not None and durations:
        say(f"\ndurations {sparkline(durations)}  median {median(durations):.3f} s, longest {max(durations):.3f} s")


@app.command(hidden=True)
def isolated(
    ctx: typer.Context,
    job: JobArgument,
    answer_fd: Annotated[int, typer.Option(min=3)],
    due: Annotated[datetime, typer.Option(formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"])],
    memory_limit_mib: Annotated[int | None, typer.Option(min=16)] = None,
) -> None:
    """The child's side of an isolated job; started by the daemon only."""
    import logging

    from roundsman.scheduling.isolation import answer_parent

    session: Session = ctx.obj
    logs.setup(session.settings.log_level, session.settings.secrets())
    work = session.app.parts().build(_one(session, job).job)

    def once(stop: StopToken) -> Outcome:
        bound = logs.bind(logging.getLogger(f"jobs.{job}"), JOB=job)
        return work.run(JobContext(session.clock, bound, stop, due))

    answer_parent(once, answer_fd, memory_limit_mib)
    sys.stdout.flush()
    os._exit(0)  # the listening thread holds stdin; nothing is left to do


def sparkline(values: Sequence[float]) -> str:
    """The values as a row of bars, the last 40 of them."""
    shown = list(values)[-40:]
    top = max(shown) or 1.0
    return "".join(_BARS[min(int(value / top * len(_BARS)), len(_BARS) - 1)] for value in shown)


def _set_paused(session: Session, job: str, *, by: str | None) -> None:
    facts = _one(session, job)
    with session.store.write() as connection:
        changed = session.app.ticks.set_paused(
            connection, facts.name, facts.trigger.text, by=by, now=session.clock.now()
        )
    verb = "resumed" if by is None else "paused"
    say(
        f"{facts.name} is {verb}."
        if changed
        else f"{facts.name} was {verb} already."
        if by
        else f"{job} is not paused."
    )


def _one(session: Session, job: str) -> JobFacts:
    try:
        return session.app.registry[job]
    except KeyError:
        names = ", ".join(facts.name for facts in session.app.registry.jobs)
        raise BadInputError(f"There is no job {job!r}; the jobs are {names}.") from None


def _chosen(session: Session, job: str | None) -> Sequence[JobFacts]:
    return session.app.registry.enabled if job is None else [_one(session, job)]


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


def _person() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _state(facts: JobFacts, paused: dict[str, datetime], running: set[str]) -> str:
    if not facts.enabled:
        return "disabled"
    if facts.name in running:
        return "running"
    return "paused" if facts.name in paused else "scheduled"


def _local(moment: Any, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z") if isinstance(moment, datetime) else ""


def _last_words(record: TickRecord | None, zone: ZoneInfo) -> str:
    if record is None:
        return "never"
    took = f" in {short_duration(record.duration)}" if record.duration is not None else ""
    what = _what(record)
    return f"{record.outcome or 'running'}{took}, {_local(record.due_at, zone)}{': ' + what if what else ''}"


def _what(record: TickRecord) -> str:
    counters = " ".join(f"{name}={value}" for name, value in record.counters.items())
    return "; ".join(filter(None, (counters, record.reason, record.error)))


def _row(record: TickRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "job": record.job,
        "due_at": record.due_at,
        "origin": record.origin,
        "state": record.state,
        "stands_for": record.stands_for,
        "outcome": record.outcome,
        "attempt": record.attempt,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        "duration_s": record.duration.total_seconds() if record.duration is not None else None,
        "counters": record.counters,
        "reason": record.reason,
        "error": record.error,
        "traceback": record.traceback,
    }
