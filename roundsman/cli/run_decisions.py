"""`roundsman runs cancel`, `pause`, `resume`, `signal` and `retry`: what people decide about runs."""

from collections.abc import Callable
from typing import Annotated

import typer

from roundsman.cli.arguments import JsonOption
from roundsman.cli.output import complain, print_json, say
from roundsman.cli.run_input import RunArgument, RunsArgument, read_object, read_value
from roundsman.cli.run_rows import drivers
from roundsman.cli.session import Session
from roundsman.errors import BadInputError
from roundsman.repositories.runs import RunStatus
from roundsman.runs.interventions import RunBusyError


def cancel(ctx: typer.Context, run_ids: RunsArgument) -> None:
    """End runs for good. A step under way is asked to stop, and nothing that it still does counts."""
    session: Session = ctx.obj

    def one(run_id: int) -> str:
        before = session.app.runs.interventions.cancel(run_id)
        if before is RunStatus.RUNNING:
            return f"Run {run_id} is cancelled; its step, which is under way, is asked to stop."
        return f"Run {run_id} is cancelled; it was {before}."

    _each(run_ids, one)


def pause(ctx: typer.Context, run_ids: RunsArgument) -> None:
    """Stop runs where they stand, until they are resumed. One under way pauses at the end of its step."""
    session: Session = ctx.obj

    def one(run_id: int) -> str:
        after = session.app.runs.interventions.pause(run_id)
        if after is RunStatus.RUNNING:
            return f"Run {run_id} is under way and pauses at the end of its step."
        return f"Run {run_id} is paused; `roundsman runs resume {run_id}` lets it go on."

    _each(run_ids, one)


def resume(ctx: typer.Context, run_ids: RunsArgument) -> None:
    """Let paused runs go on."""
    session: Session = ctx.obj

    def one(run_id: int) -> str:
        session.app.runs.interventions.resume(run_id)
        return f"Run {run_id} goes on."

    _each(run_ids, one)
    _tell_if_nobody_drives(session)


def signal(
    ctx: typer.Context,
    run_id: RunArgument,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="One that the run waits for, such as approve.")],
    data: Annotated[
        str | None, typer.Option("--data", "-d", metavar="JSON|@FILE", help="For the run's data, under EVENT.")
    ] = None,
) -> None:
    """Tell a waiting run that an event has come."""
    session: Session = ctx.obj
    payload = None if data is None else read_value("--data", data)
    state = session.app.runs.interventions.signal(run_id, event, payload)
    run = session.app.runs.interventions.find(run_id)
    if run.finished:
        say(f"Run {run_id} took {event} and is {run.status}, in the state {state!r}.")
        return
    say(f"Run {run_id} took {event} and goes on in the state {state!r}.")
    _tell_if_nobody_drives(session)


def retry(
    ctx: typer.Context,
    run_id: RunArgument,
    step: Annotated[
        str | None, typer.Option("--from", metavar="STEP", help="From its last record on; else from where it ended.")
    ] = None,
    edit: Annotated[
        str | None, typer.Option("--edit", metavar="FILE", help="Another input, a JSON object; - reads stdin.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Repeat a finished run as a new one, which does not do again what was recorded before that step."""
    session: Session = ctx.obj
    edited = None if edit is None else read_object("--edit", edit)
    retried = session.app.runs.interventions.retry(run_id, step=step, edited=edited)
    if as_json:
        print_json({"id": retried.run_id, "retry_of": run_id, "state": retried.state, "kept": retried.kept})
        return
    units = "1 recorded unit" if retried.kept == 1 else f"{retried.kept} recorded units"
    verb = "is" if retried.kept == 1 else "are"
    kept = f"; {units} of run {run_id} {verb} not done again" if retried.kept else ""
    say(f"Run {retried.run_id} repeats run {run_id} from the state {retried.state!r} on{kept}.")
    _tell_if_nobody_drives(session)


def _each(run_ids: list[int], work: Callable[[int], str]) -> None:
    """For every run, whatever became of those before; the exit code is that of the worst."""
    code = 0
    for run_id in dict.fromkeys(run_ids):
        try:
            say(work(run_id))
        except (RunBusyError, BadInputError) as error:
            complain(str(error))
            code = max(code, error.exit_code)
    if code:
        raise typer.Exit(code)


def _tell_if_nobody_drives(session: Session) -> None:
    nobody = drivers(session).nobody(session.clock.now())
    if nobody is not None:
        say(nobody)
