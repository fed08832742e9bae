"""`roundsman runs list`, `workflows` and `diagram`."""

import inspect
from enum import StrEnum
from typing import Annotated, Any

import typer

from roundsman.cli.arguments import JsonOption, plain_text
from roundsman.cli.output import one_line, print_json, print_table, say, short_duration
from roundsman.cli.run_rows import run_row, standing, took
from roundsman.cli.session import Session
from roundsman.cli.ticks import local_time
from roundsman.fsm.registry import WorkflowFacts
from roundsman.repositories.runs import RunRepository, RunStatus

LONGEST_CELL = 100


class Drawing(StrEnum):
    """Languages of diagrams."""

    MERMAID = "mermaid"
    DOT = "dot"


def list_runs(
    ctx: typer.Context,
    workflow: Annotated[
        str | None, typer.Option("--workflow", "-w", callback=plain_text, help="Only of this workflow.")
    ] = None,
    statuses: Annotated[
        list[RunStatus] | None, typer.Option("--status", "-s", case_sensitive=False, help="May be given several times.")
    ] = None,
    group: Annotated[str | None, typer.Option(callback=plain_text, help="Only of this group.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="How many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List runs, the newest first."""
    session: Session = ctx.obj
    with session.store.read() as connection:
        found = RunRepository().listed(connection, workflow=workflow, statuses=statuses or (), group=group, limit=limit)
    if not found and workflow is not None:
        session.app.runs.registry.find(workflow)  # runs of a workflow that is gone are listed, a mistyped one is told
    if as_json:
        print_json([run_row(run) for run in found])
        return
    if not found:
        say("No runs." if workflow is None and not statuses and group is None else "No such runs.")
        return
    zone, now = session.settings.time_zone, session.clock.now()
    print_table(
        ["RUN", "WORKFLOW", "STATE", "SUBMITTED", "TOOK", "STATUS"],
        [
            (
                run.id,
                run.workflow,
                run.state,
                local_time(run.created_at, zone),
                took(run),
                one_line(standing(run, now), LONGEST_CELL),
            )
            for run in found
        ],
    )


def workflows(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the workflows with the facts in force, and how many of their runs have not ended."""
    session: Session = ctx.obj
    with session.store.read() as connection:
        unfinished = RunRepository().unfinished(connection)
    rows = [_facts_row(facts, unfinished.get(facts.name, {})) for facts in session.app.runs.registry.workflows]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["WORKFLOW", "RUNS", "STEP TIMEOUT", "ATTEMPTS", "CONCURRENCY", "RATE", "KEPT FOR", "WHAT IT DOES"],
        [
            (
                row["workflow"],
                sum(row["runs"].values()),
                short_duration(facts.timeout),
                row["attempts"],
                row["concurrency"] or "no limit",
                rate_words(facts) or "no limit",
                "ever" if facts.kept_for is None else short_duration(facts.kept_for),
                row["about"],
            )
            for row, facts in zip(rows, session.app.runs.registry.workflows, strict=True)
        ],
    )


def diagram(
    ctx: typer.Context,
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="As `runs workflows` lists them.")],
    drawing: Annotated[Drawing, typer.Option("--format", "-f", help="The language of the drawing.")] = Drawing.MERMAID,
) -> None:
    """Draw a workflow's states and events, for Mermaid or Graphviz."""
    from roundsman.fsm.diagram import dot, mermaid

    session: Session = ctx.obj
    facts = session.app.runs.registry.find(workflow)
    text = mermaid(facts.machine) if drawing is Drawing.MERMAID else dot(facts.machine, facts.name)
    say(text.rstrip("\n"))


def rate_words(facts: WorkflowFacts) -> str:
    """`30 in 1 min 00 s`; empty for none."""
    return "" if facts.rate is None else f"{facts.rate.count} in {short_duration(facts.rate.per)}"


def _facts_row(facts: WorkflowFacts, unfinished: dict[RunStatus, int]) -> dict[str, Any]:
    return {
        "workflow": facts.name,
        "about": (inspect.getdoc(facts.workflow) or "").partition("\n")[0],
        "states": list(facts.machine.states),
        "step_timeout_s": facts.timeout.total_seconds(),
        "attempts": facts.attempts,
        "concurrency": facts.concurrency,
        "rate": None if facts.rate is None else {"count": facts.rate.count, "per_s": facts.rate.per.total_seconds()},
        "backoff_s": facts.backoff.total_seconds(),
        "kept_for_s": None if facts.kept_for is None else facts.kept_for.total_seconds(),
        "runs": {status.value: count for status, count in unfinished.items()},
    }
