"""`roundsman jobs why`: how a job fares, what is usual, and what people were told or will be."""

import typer

from roundsman.cli.arguments import JobArgument, JsonOption, job_of
from roundsman.cli.output import one_line, print_json, say
from roundsman.cli.session import Session
from roundsman.cli.ticks import local_time
from roundsman.watch.why import facts, why

_SHOWN = 5


def why_job(ctx: typer.Context, job: JobArgument, as_json: JsonOption = False) -> None:
    """Say how a job fares: its last runs, what is usual at this hour and what came, and which alert is open."""
    session: Session = ctx.obj
    chosen = job_of(session, job)
    now = session.clock.now()
    with session.store.read() as connection:
        found = session.app.overseer.standing(connection, chosen, now)
    sentences = why(found, session.settings.time_zone)
    shown = found.rows[:_SHOWN]
    if as_json:
        runs = [{"due_at": row.due_at, "state": row.state, "outcome": row.outcome, "error": row.error} for row in shown]
        print_json({"job": chosen.name, "why": sentences, "facts": facts(found), "runs": runs})
        return
    say(one_line(sentences[0]))
    for sentence in sentences[1:]:
        say(f"- {one_line(sentence)}")
    if shown:
        say("Its last runs, newest first:")
    for row in shown:
        what = row.outcome or ("still running then" if not row.ran else "running")
        error = f": {row.error or row.reason}" if row.error or row.reason else ""
        say(f"  {local_time(row.due_at, session.settings.time_zone)}  {what}{one_line(error)}")
