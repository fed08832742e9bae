"""`roundsman jobs history`: what became of past ticks."""

from collections.abc import Sequence
from statistics import median
from typing import Annotated

import typer

from roundsman.cli.arguments import JobOrAllArgument, JsonOption, job_of
from roundsman.cli.output import print_json, print_table, say, short_duration
from roundsman.cli.session import Session
from roundsman.cli.ticks import local_time, tick_row, what_came

_BARS = "▁▂▃▄▅▆▇█"


def history(
    ctx: typer.Context,
    job: JobOrAllArgument = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="How many ticks.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show what became of the last ticks, newest first."""
    session: Session = ctx.obj
    if job is not None:
        job_of(session, job)
    with session.store.read() as connection:
        records = session.app.ticks.history(connection, job, limit=limit)
    if as_json:
        print_json([tick_row(record) for record in records])
        return
    zone = session.settings.time_zone
    print_table(
        ["JOB", "DUE", "STATE", "OUTCOME", "TOOK", "WHAT"],
        [
            (
                record.job,
                local_time(record.due_at, zone),
                record.state if record.stands_for == 1 else f"{record.state} x {record.stands_for}",
                record.outcome or ("running" if record.started_at or record.attempt else ""),
                short_duration(record.duration) if record.duration is not None else "",
                what_came(record),
            )
            for record in records
        ],
    )
    durations = [d.total_seconds() for record in reversed(records) if (d := record.duration) is not None]
    if job is not None and durations:
        say(f"\ndurations {sparkline(durations)}  median {median(durations):.3f} s, longest {max(durations):.3f} s")


def sparkline(values: Sequence[float]) -> str:
    """The values as a row of bars, the last 40 of them."""
    shown = [max(value, 0.0) for value in values[-40:]]  # a clock set back during a run makes its duration negative
    top = max(shown) or 1.0
    return "".join(_BARS[min(int(value / top * len(_BARS)), len(_BARS) - 1)] for value in shown)
