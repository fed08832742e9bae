"""`roundsman runs status` and `why`: everything that is known of one run."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import typer

from roundsman.cli.arguments import JsonOption
from roundsman.cli.output import one_line, print_json, print_table, say, short_duration
from roundsman.cli.run_input import RunArgument
from roundsman.cli.run_rows import LONGEST_REASON, numbers, run_row, standing, took, unit_cells, unit_row
from roundsman.cli.session import Session
from roundsman.cli.ticks import local_time
from roundsman.message import Priority
from roundsman.repositories.run_record import RunRecord
from roundsman.repositories.runs import Run, RunStatus
from roundsman.runs.findings import Findings
from roundsman.runs.why import why

LONGEST_JSON = 400
"""Characters of an input and of data that are shown to people; --json has all of it."""


def status(ctx: typer.Context, run_id: RunArgument, as_json: JsonOption = False) -> None:
    """Show everything that is known of a run."""
    session: Session = ctx.obj
    found = _look(session, run_id)
    with session.store.read() as connection:
        units = RunRecord().units(connection, run_id)
    if as_json:
        print_json(
            {
                **run_row(found.run),
                "since": found.since,
                "step": found.step,
                "retried_as": list(found.retried_as),
                "input": found.run.input,
                "data": found.run.data,
                "steps": [unit_row(unit) for unit in units],
            }
        )
        return
    say(f"Run {run_id} of {found.run.workflow}: {standing(found.run, found.now)}")
    for name, value in _facts(found, session.settings.time_zone):
        say(f"  {name:<15} {one_line(value)}")
    if units:
        say()
        print_table(["SEQ", "NAME", "FROM -> TO", "EVENT", "ATTEMPT", "TOOK"], [unit_cells(unit) for unit in units])


def tell_why(ctx: typer.Context, run_id: RunArgument, as_json: JsonOption = False) -> None:
    """Say why a run stands where it stands, and what to do about it."""
    session: Session = ctx.obj
    found = _look(session, run_id)
    sentences = why(found, session.settings.time_zone)
    if as_json:
        print_json({"id": run_id, "workflow": found.run.workflow, "status": found.run.status, "why": sentences})
        return
    first, *others = (one_line(sentence) for sentence in sentences)
    say(f"Run {run_id} of {found.run.workflow} ({found.run.status}): {first}")
    for sentence in others:
        say(f"- {sentence}")


def _look(session: Session, run_id: int) -> Findings:
    return session.app.runs.investigation(session.app.driving_job).look(run_id)


def _facts(found: Findings, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    run = found.run
    yield "state", f"{run.state}, since {_moment(found.since, found.now, zone)}"
    if found.step is not None and not run.finished:
        yield "step", found.step
    yield "progress", f"{run.progress} %"
    if found.facts is not None and not run.finished:
        yield "attempts", f"{run.attempt} of {found.facts.attempts} have failed" if run.attempt else "none has failed"
    if run.crashes:
        yield "crashes", f"{run.crashes} processes died with this step"
    yield from _times(found, zone)
    yield from _labels(run)
    if found.retried_as:
        yield "retried as", numbers(found.retried_as)
    if run.error:
        yield "error" if run.finished else "last failure", one_line(run.error, LONGEST_REASON)
    yield "input", _json(run.input)
    yield "data", _json(run.data)


def _times(found: Findings, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    run = found.run
    if found.holder is not None:
        dead = ", which is dead" if found.holder.dead else ""
        yield "held by", f"process {found.holder.pid} on {found.holder.host}{dead}"
    held = run.status is RunStatus.RUNNING
    moments = {
        "lease until": run.lease_until if held else None,
        "next": run.not_before if not run.finished else None,
        "submitted": run.created_at,
        "started": run.started_at,
        "ended": run.finished_at,
        "kept until": run.expires_at,
    }
    for name, moment in moments.items():
        if moment is not None:
            after = f", after {took(run)}" if name == "ended" else ""
            yield name, f"{_moment(moment, found.now, zone)}{after}"


def _labels(run: Run) -> Iterator[tuple[str, str]]:
    named = {level.value: f" ({level.name.lower()})" for level in Priority}
    yield "priority", f"{run.priority}{named.get(run.priority, '')}"
    if run.group_key is not None:
        yield "group", run.group_key
    if run.dedup_key is not None:
        yield "dedup key", run.dedup_key
    yield "correlation id", run.correlation_id
    if run.retry_of is not None:
        yield "retry of", f"run {run.retry_of}, from {run.retry_from or 0} of its record on"


def _moment(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    if moment > now:
        return f"{local_time(moment, zone)}, in {short_duration(moment - now)}"
    return f"{local_time(moment, zone)}, {short_duration(now - moment)} ago"


def _json(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= LONGEST_JSON:
        return text
    return f"{text[:LONGEST_JSON]}... ({len(text)} characters; --json shows all)"
