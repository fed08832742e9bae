"""`roundsman queue`: status, dead, replay."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from roundsman.cli.arguments import JsonOption, plain_text
from roundsman.cli.group import command_group
from roundsman.cli.output import one_line, print_json, print_table, say, short_duration
from roundsman.cli.run_input import GREATEST_NUMBER
from roundsman.cli.run_list import rate_words
from roundsman.cli.run_rows import drivers, numbers
from roundsman.cli.session import Session
from roundsman.cli.ticks import local_time
from roundsman.errors import BadInputError, RoundsmanError
from roundsman.fsm.registry import WorkflowFacts
from roundsman.message import Depth
from roundsman.repositories.run_views import RunViews
from roundsman.repositories.runs import RunStatus

app = command_group()

LONGEST_REASON = 200
WorkflowOption = Annotated[
    str | None, typer.Option("--workflow", "-w", callback=plain_text, help="Only of this workflow.")
]


@app.command()
def status(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Show what lies in the queue, by workflow, and its limits."""
    session: Session = ctx.obj
    queue = session.app.runs.queue
    depths = queue.depth()
    with session.store.read() as connection:
        unsent = RunViews().unsent(connection)
    who = drivers(session)
    nobody, others = who.nobody(session.clock.now()), list(who.others(session.app.runs.driving_facts))
    place = queue.name if queue.name != "local" else f"local, in {session.store.place}"
    rows = [_row(name, depth, facts) for name, depth, facts in _kinds(session, depths)]
    if as_json:
        facts = {"queue": queue.name, "place": place, "unsent": unsent, "nobody": nobody, "others": others}
        print_json({**facts, "workflows": rows})
        return
    say(f"Queue: {place}")
    now = session.clock.now()
    print_table(
        ["WORKFLOW", "READY", "DELAYED", "HELD", "LEASED", "DEAD", "OLDEST", "CONCURRENCY", "RATE"],
        [
            (
                "all together" if name == "*" else name,  # SQS knows no workflows
                depth.ready, depth.delayed, depth.held, depth.leased, depth.dead,
                short_duration(now - depth.oldest) if depth.oldest is not None else "",
                (facts.concurrency if facts is not None else None) or "no limit",
                (rate_words(facts) if facts is not None else "") or "no limit",
            )
            for name, depth, facts in _kinds(session, depths)
        ],
    )  # fmt: skip
    if unsent:
        say(f"{unsent} queued runs have no message yet; a daemon sends it within a minute of the queue's answering.")
    if nobody is not None:
        say(nobody)
    for sentence in others:
        say(sentence)


@app.command()
def dead(
    ctx: typer.Context,
    workflow: WorkflowOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="How many.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List the dead letters, the newest first: messages of runs that were given up."""
    session: Session = ctx.obj
    letters = session.app.runs.queue.dead(workflow, limit)
    if not letters and workflow is not None:
        session.app.runs.registry.find(workflow)
    if as_json:
        print_json(
            [
                {
                    "run": letter.body.get("run"), "workflow": letter.kind, "reason": letter.reason,
                    "dead_at": letter.dead_at, "enqueued_at": letter.enqueued_at, "deliveries": letter.deliveries,
                    "priority": letter.priority, "group": letter.group, "letter": letter.id,
                }
                for letter in letters
            ]
        )  # fmt: skip
        return
    if not letters:
        say("No dead letters.")
        return
    zone = session.settings.time_zone
    print_table(
        ["RUN", "WORKFLOW", "DEAD SINCE", "DELIVERIES", "REASON"],
        [
            (
                letter.body.get("run", "none"), letter.kind, local_time(letter.dead_at, zone), letter.deliveries,
                one_line(letter.reason, LONGEST_REASON),
            )
            for letter in letters
        ],
    )  # fmt: skip


@app.command()
def replay(
    ctx: typer.Context,
    run_ids: Annotated[
        list[int] | None,
        typer.Argument(metavar="[RUN...]", min=1, max=GREATEST_NUMBER, help="As `queue dead` lists them."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    workflow: Annotated[
        str | None, typer.Option("--workflow", "-w", callback=plain_text, help="All of this workflow.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put dead letters back: their failed runs go on where they stand, with all attempts before them."""
    from roundsman.runs.revival import revive

    session: Session = ctx.obj
    if sum((bool(run_ids), everything, workflow is not None)) != 1:
        raise BadInputError("Name the runs to replay, or give --all, or --workflow; one of the three.")
    runs = session.app.runs
    going = revive(session.store, runs.queue, run_ids or None, workflow)
    if not going and workflow is not None:
        runs.registry.find(workflow)
    left = {run_id: _why_not(session, run_id) for run_id in dict.fromkeys(run_ids or ()) if run_id not in going}
    if as_json:
        print_json({"replayed": going, "not": {str(run_id): reason for run_id, reason in left.items()}})
    elif going:
        say(f"{numbers(going).capitalize()} {'goes' if len(going) == 1 else 'go'} on.")
    elif not left:
        say("No dead letter of a failed run; nothing was put back.")
    nobody = drivers(session).nobody(session.clock.now())
    if going and nobody is not None and not as_json:
        say(nobody)
    if left:
        raise RoundsmanError(" ".join(left.values()))


def _why_not(session: Session, run_id: int) -> str:
    with session.store.read() as connection:
        retries = RunViews().retries_of(connection, run_id)
        sight = RunViews().sights(connection, [run_id]).get(run_id)
    if sight is None:
        return f"Run {run_id} is no longer kept."
    if sight.status is RunStatus.FAILED and retries:
        return f"Run {run_id} does not go on: it was retried as {numbers(retries)}."
    return f"Run {run_id} does not go on: it is {sight.status}, not failed."


def _kinds(session: Session, depths: Mapping[str, Depth]) -> Sequence[tuple[str, Depth, WorkflowFacts | None]]:
    """Every workflow that is known or has messages."""
    known = {facts.name: facts for facts in session.app.runs.registry.workflows}
    names = [*known, *sorted(depths.keys() - known.keys())]
    return [(name, depths.get(name, Depth()), known.get(name)) for name in names]


def _row(name: str, depth: Depth, facts: WorkflowFacts | None) -> dict[str, Any]:
    rate = facts.rate if facts is not None else None
    return {
        "workflow": name,
        "ready": depth.ready,
        "delayed": depth.delayed,
        "held": depth.held,
        "leased": depth.leased,
        "dead": depth.dead,
        "oldest_at": depth.oldest,
        "concurrency": facts.concurrency if facts is not None else None,
        "rate": None if rate is None else {"count": rate.count, "per_s": rate.per.total_seconds()},
    }
