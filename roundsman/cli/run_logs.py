"""`roundsman runs logs`: what a run said, as it is kept with the run."""

from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from roundsman.cli.output import print_json, say
from roundsman.cli.run_input import RunArgument
from roundsman.cli.run_rows import line_row
from roundsman.cli.run_watch import LOOK_EVERY_S
from roundsman.cli.session import Session
from roundsman.errors import EXIT_INTERRUPTED, BadInputError
from roundsman.repositories.run_record import LogLine, RunRecord
from roundsman.repositories.run_views import RunViews

AT_ONCE = 1_000


def logs(
    ctx: typer.Context,
    run_id: RunArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --follow one object a line.")] = False,
) -> None:
    """Show what a run said, the oldest first."""
    session: Session = ctx.obj
    lines = _lines(session, run_id, follow=follow)
    if as_json and not follow:
        print_json([line_row(line) for line in lines])
        return
    tell: Callable[[LogLine], None] = _print_json_line if as_json else lambda line: _say(session, line)
    silent = True
    try:
        for line in lines:
            silent = False
            tell(line)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if silent and not as_json:
        say(f"Run {run_id} has said nothing{'' if follow else ' so far'}.")


def _lines(session: Session, run_id: int, *, follow: bool) -> Iterator[LogLine]:
    """Page by page. Raises BadInputError if there is no such run, StoreError."""
    last = 0
    while True:
        with session.store.read() as connection:
            sight = RunViews().sights(connection, [run_id]).get(run_id)  # before its lines: its end commits the last
            page = RunRecord().lines(connection, run_id, after=last, limit=AT_ONCE)
        if sight is None and not last:
            raise BadInputError(f"There is no run {run_id}; `runs list` shows those that are kept.")
        yield from page
        if page:
            last = page[-1].id
        if len(page) == AT_ONCE:
            continue
        if not follow or sight is None or sight.finished:
            return
        session.pause(LOOK_EVERY_S)


def _say(session: Session, line: LogLine) -> None:
    at = line.at.astimezone(session.settings.time_zone)
    # A line of its own for what the run broke into several, so that it cannot forge another one
    message = line.message.expandtabs().replace("\n", "\n    ")
    say(f"{at:%Y-%m-%d %H:%M:%S} {line.level.upper():<7} {line.step or '-':<12} {message}")


def _print_json_line(line: LogLine) -> None:
    print_json(line_row(line), in_one_line=True)
