"""`roundsman runs submit`."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer

from roundsman.cli.arguments import JsonOption, span
from roundsman.cli.output import print_json, remark, say, short_duration
from roundsman.cli.run_input import read_object
from roundsman.cli.run_rows import drivers, run_row
from roundsman.cli.run_wait import drive_until_ended, exit_code, look_on
from roundsman.cli.session import Session
from roundsman.cli.ticks import local_time
from roundsman.errors import EXIT_INTERRUPTED, BadInputError
from roundsman.message import parse_priority
from roundsman.repositories.run_views import Sight
from roundsman.runs.desk import Order, Submitted


def submit(
    ctx: typer.Context,
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="As `runs workflows` lists them.")],
    input_file: Annotated[
        str | None,
        typer.Option("--input", "-i", metavar="FILE", help="A JSON object; - reads stdin. Without it, {}."),
    ] = None,
    priority: Annotated[
        str, typer.Option("--priority", "-p", help="low, normal, high, critical, or 0 to 100; greater is sooner.")
    ] = "normal",
    group: Annotated[str | None, typer.Option(help="Of a group one run goes at a time, in order.")] = None,
    delay: Annotated[str | None, typer.Option(metavar="TIME", help="Begin after so long: 30s, 5m, 2d.")] = None,
    dedup: Annotated[
        str | None, typer.Option(metavar="KEY", help="Not again while one with this key goes, nor for 5 minutes.")
    ] = None,
    correlation_id: Annotated[
        str | None, typer.Option("--correlation-id", metavar="ID", help="Follows the run through logs.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait until it has ended; exit as `runs wait` does.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a run. A daemon executes it; with --wait, if no daemon is up, this command does."""
    session: Session = ctx.obj
    session.app.runs.registry.find(workflow)  # before anything is read: who mistyped it need not type the input
    order = Order(
        workflow,
        {} if input_file is None else read_object("--input", input_file),
        _priority(priority),
        timedelta(0) if delay is None else span("--delay", delay),
        group,
        dedup,
        correlation_id,
    )
    submitted = session.app.runs.desk.submit(order)
    nobody = drivers(session).nobody(session.clock.now())
    if not as_json:
        say(_words(session, submitted, order, nobody, wait=wait))
    code = 0
    if wait:
        code = exit_code(_wait(session, submitted.run_id, silent=as_json))
    if as_json:
        run = session.app.runs.interventions.find(submitted.run_id)
        print_json({**run_row(run), "duplicate": submitted.duplicate, "unsent": submitted.unsent, "nobody": nobody})
    raise typer.Exit(code)


def _wait(session: Session, run_id: int, *, silent: bool) -> Sequence[Sight]:
    if not drivers(session).alive:
        return drive_until_ended(session, run_id, silent=silent)
    try:
        return look_on(session, [run_id], silent=silent)
    except KeyboardInterrupt:
        remark(f"Nobody looks on any more; run {run_id} goes on.")
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _priority(text: str) -> int:
    try:
        return parse_priority(text)
    except ValueError as error:
        raise BadInputError(f"--priority: {text!r} {error}.") from None


def _words(session: Session, submitted: Submitted, order: Order, nobody: str | None, *, wait: bool) -> str:
    """The number, and what happens next."""
    run = f"Run {submitted.run_id} of {order.workflow}"
    if submitted.duplicate:
        return f"{run} has the same dedup key {order.dedup!r}; nothing new was submitted."
    words = f"{run} is submitted"
    if order.delay:
        due = local_time(session.clock.now() + order.delay, session.settings.time_zone)
        words += f" for {due}, in {short_duration(order.delay)}"
    if submitted.unsent is not None:
        return f"{words}: it is stored, and is sent as soon as the queue takes it. {submitted.unsent}"
    if nobody is None:
        return f"{words}; a daemon takes it."
    return f"{words}." if wait else f"{words} and waits in the queue. {nobody}"
