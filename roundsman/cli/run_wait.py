"""`roundsman runs wait`, and what `runs submit --wait` does: look on until runs have ended.

Exit codes: 0 all completed, 1 one of them failed or was cancelled, 124 the time was over, 130 Ctrl-C.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import Annotated

import typer

from roundsman import logs
from roundsman.app.deputy import Deputy, Interrupted
from roundsman.cli.arguments import JsonOption, span
from roundsman.cli.output import print_json, remark
from roundsman.cli.run_input import RunsArgument
from roundsman.cli.run_rows import numbers, run_row
from roundsman.cli.run_watch import LOOK_EVERY_S, Watch, shown, unseen
from roundsman.cli.session import Session
from roundsman.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED
from roundsman.repositories.run_views import Sight
from roundsman.repositories.runs import RunRepository, RunStatus


def wait(
    ctx: typer.Context,
    run_ids: RunsArgument,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="TIME", help="Wait at most so long (60s, 5m); then exit 124.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Wait until runs have ended. Exit 0: all completed; 1: one failed or was cancelled; 124: the time was over."""
    session: Session = ctx.obj
    limit = None if timeout is None else span("--timeout", timeout)
    chosen = list(dict.fromkeys(run_ids))
    try:
        ended = look_on(session, chosen, limit, silent=as_json)
    except KeyboardInterrupt:
        remark(f"Nobody looks on any more; {numbers(chosen)} {'goes' if len(chosen) == 1 else 'go'} on.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        with session.store.read() as connection:
            found = [RunRepository().find(connection, run_id) for run_id in chosen]
        print_json([run_row(run) for run in found if run is not None])
    raise typer.Exit(exit_code(ended))


def look_on(
    session: Session, run_ids: Sequence[int], timeout: timedelta | None = None, *, silent: bool
) -> Sequence[Sight]:
    """While others drive them. Raises what `Watch.until_ended` raises, and KeyboardInterrupt."""
    with unseen() if silent else shown(session, run_ids, bars=True) as show:
        watch = Watch(session, show, lambda: session.pause(LOOK_EVERY_S), tell_of_daemons=True)
        return list(watch.until_ended(run_ids, timeout).values())


def drive_until_ended(session: Session, run_id: int, *, silent: bool) -> Sequence[Sight]:
    """Without a daemon: drive the queue here meanwhile. Raises typer.Exit after a signal."""
    remark(f"No daemon is running: driving the queue here until run {run_id} has ended.")
    logs.setup(session.settings.log_level, session.settings.secrets())
    runs = session.app.runs
    try:
        with ExitStack() as stack:
            # Lines, not bars: the log goes to the same terminal
            show = stack.enter_context(unseen() if silent else shown(session, [run_id], bars=False))
            deputy = stack.enter_context(Deputy(runs.engine, runs.reconciler, session.clock))
            watch = Watch(session, show, deputy.pause, tell_of_daemons=False)
            return list(watch.until_ended([run_id]).values())
    except Interrupted as interrupted:
        run = runs.interventions.find(run_id)
        remark(
            f"Interrupted: run {run_id} is {run.status}, nothing of it is lost, and whoever drives runs next goes on."
        )
        raise typer.Exit(interrupted.status) from None


def exit_code(ended: Sequence[Sight]) -> int:
    """Of a command that waited for these."""
    return EXIT_DONE if all(sight.status is RunStatus.COMPLETED for sight in ended) else EXIT_FAILED
