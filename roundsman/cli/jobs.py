"""`roundsman jobs`: list, next, run, pause, resume, history, why."""

from datetime import datetime
from typing import Any

import typer

from roundsman import logs
from roundsman.cli.arguments import JobArgument, JsonOption, job_of
from roundsman.cli.group import command_group
from roundsman.cli.history import history
from roundsman.cli.isolated import isolated
from roundsman.cli.job_why import why_job
from roundsman.cli.output import print_json, print_table, say
from roundsman.cli.person import person
from roundsman.cli.session import Session
from roundsman.cli.ticks import last_words, local_time, tick_row
from roundsman.cli.upcoming import next_times
from roundsman.errors import EXIT_DONE, EXIT_FAILED
from roundsman.scheduling.job import OutcomeKind
from roundsman.scheduling.registry import JobFacts

app = command_group()


@app.command("list")
def list_jobs(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the jobs: schedule, next tick, how the last run ended."""
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
    listing: list[dict[str, Any]] = [
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
                local_time(row["next"], session.settings.time_zone),
                last_words(last[row["job"]], session.settings.time_zone),
            )
            for row in listing
        ],
    )


app.command("next")(next_times)


@app.command()
def run(ctx: typer.Context, job: JobArgument, as_json: JsonOption = False) -> None:
    """Run a job now, in the foreground. It is in the ledger like any run; exit 1 when it does not end well."""
    from roundsman.app.foreground import run_in_foreground

    session: Session = ctx.obj
    facts = job_of(session, job)
    logs.setup(session.settings.log_level, session.settings.secrets())
    record = run_in_foreground(session.app, facts)
    if as_json:
        print_json(tick_row(record))
    else:
        say(f"{record.job}: {last_words(record, session.settings.time_zone)}")
    good = record.outcome in (OutcomeKind.DONE, OutcomeKind.SNOOZED, OutcomeKind.CANCELLED)
    raise typer.Exit(EXIT_DONE if good else EXIT_FAILED)


@app.command()
def pause(ctx: typer.Context, job: JobArgument) -> None:
    """Pause a job. Its ticks are recorded as paused and do not run, in every daemon on this store."""
    _set_paused(ctx.obj, job, by=person())


@app.command()
def resume(ctx: typer.Context, job: JobArgument) -> None:
    """End the pause of a job."""
    _set_paused(ctx.obj, job, by=None)


app.command()(history)
app.command("why")(why_job)
app.command(hidden=True)(isolated)


def _set_paused(session: Session, job: str, *, by: str | None) -> None:
    facts = job_of(session, job)
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


def _state(facts: JobFacts, paused: dict[str, datetime], running: set[str]) -> str:
    if not facts.enabled:
        return "disabled"
    if facts.name in running:
        return "running"
    return "paused" if facts.name in paused else "scheduled"
