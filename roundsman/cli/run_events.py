"""`roundsman runs events`: what other programs have not been told of, and telling them once more."""

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from roundsman.cli.arguments import JsonOption, plain_text
from roundsman.cli.group import command_group
from roundsman.cli.output import one_line, print_json, print_table, say
from roundsman.cli.run_input import GREATEST_NUMBER
from roundsman.cli.run_rows import drivers
from roundsman.cli.session import Session
from roundsman.cli.ticks import local_time
from roundsman.errors import BadInputError
from roundsman.repositories.run_event_views import Chosen, EventState, RunEventViews, StoredEvent

app = command_group()

LONGEST_REASON = 120
SinkOption = Annotated[str | None, typer.Option("--sink", callback=plain_text, help="Only for webhook, or journal.")]
RunOption = Annotated[int | None, typer.Option("--run", min=1, max=GREATEST_NUMBER, help="Only of this run.")]


@app.command("list")
def list_events(
    ctx: typer.Context,
    state: Annotated[
        EventState | None, typer.Option("--state", "-s", case_sensitive=False, help="Only in this state.")
    ] = None,
    sink: SinkOption = None,
    run_id: RunOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="How many.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List the events that a sink has not got, the newest first: those that wait, and those that were given up."""
    session: Session = ctx.obj
    with session.store.read() as connection:
        found = RunEventViews().listed(connection, Chosen(sink, run_id), state, limit)
    if as_json:
        print_json([_row(event) for event in found])
        return
    if not found:
        say("No run events." if state is None and sink is None and run_id is None else "No such run events.")
        return
    zone, now = session.settings.time_zone, session.clock.now()
    print_table(
        ["ID", "EVENT", "WORKFLOW", "SINK", "HAPPENED", "STATE", "ATTEMPTS", "REASON"],
        [
            (
                event.key, event.event, event.payload.get("workflow", ""), event.sink,
                local_time(event.created_at, zone), _standing(event, now, zone), event.attempts,
                one_line(event.error or "", LONGEST_REASON),
            )
            for event in found
        ],
    )  # fmt: skip


@app.command()
def retry(
    ctx: typer.Context,
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="[ID...]", help="As `runs events list` shows them, such as 42-17.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were given up.")] = False,
    sink: SinkOption = None,
    run_id: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send events that were given up once more. Those of the same run that wait come behind them."""
    session: Session = ctx.obj
    if sum((bool(keys), everything, sink is not None or run_id is not None)) != 1:
        raise BadInputError("Name the events to send again, or give --all, or --sink and --run; one of the three.")
    wanted = {_number(key): key for key in dict.fromkeys(keys or ())}
    with session.store.write() as connection:
        views = RunEventViews()
        if wanted:
            _judge(wanted, views.listed(connection, Chosen(ids=wanted), limit=len(wanted)))
        again = views.send_again(connection, Chosen(sink, run_id, wanted or None), session.clock.now())
    if as_json:
        print_json({"sent_again": [event.key for event in again]})
        return
    if not again:
        say("No such event was given up; nothing is sent again.")
        return
    say(f"{len(again)} {'event is' if len(again) == 1 else 'events are'} sent again.")
    unheard = sorted({event.sink for event in again} - set(session.app.runs.outbox.sinks))
    if unheard:
        say(f"In these settings nobody delivers to {', '.join(unheard)}: see RUN_EVENTS_URL and RUN_EVENTS_JOURNAL.")
    elif not drivers(session).alive:
        say("No daemon is running on this store: start one with `roundsman run`.")


def _number(key: str) -> int:
    run, _, number = key.partition("-")
    if not (run.isascii() and run.isdigit() and number.isascii() and number.isdigit()) or len(number) > 18:
        raise BadInputError(
            f"{one_line(key, 50)!r} is no event; give its id as `runs events list` shows it, such as 42-17."
        )
    return int(number)


def _judge(wanted: dict[int, str], found: list[StoredEvent]) -> None:
    """Raises BadInputError for the first one that cannot be sent again; then none is."""
    by_key = {event.key: event for event in found}
    for key in wanted.values():
        event = by_key.get(key)
        if event is None:
            raise BadInputError(
                f"There is no event {key}: it has arrived, or was removed 30 days after it was given up."
            )
        if event.state is not EventState.GIVEN_UP:
            raise BadInputError(f"Event {key} was not given up: it is {event.state}, and will be tried by itself.")


def _standing(event: StoredEvent, now: datetime, zone: ZoneInfo) -> str:
    if event.set_aside_at is not None:
        return f"given up {local_time(event.set_aside_at, zone)}"
    if event.state is EventState.WAITING and event.not_before > now:
        return f"waiting until {local_time(event.not_before, zone)}"
    return str(event.state)


def _row(event: StoredEvent) -> dict[str, Any]:
    waiting = event.state is EventState.WAITING
    return {
        "id": event.key,
        "event": event.event,
        "run": event.run_id,
        "workflow": event.payload.get("workflow"),
        "sink": event.sink,
        "state": event.state,
        "at": event.created_at,
        "attempts": event.attempts,
        "next_at": event.not_before if waiting else None,
        "given_up_at": event.set_aside_at,
        "error": event.error,
    }
