"""`roundsman conversations why` and `show`: the reasons behind a verdict, and what happened in which order."""

from dataclasses import asdict
from typing import Annotated

import typer

from roundsman.cli.arguments import AtOption, JsonOption, moment_of
from roundsman.cli.output import LONGEST_NAME, one_line, print_json, print_table, say
from roundsman.cli.session import Session
from roundsman.cli.ticks import local_time
from roundsman.conversations.platform import deep_link
from roundsman.errors import BadInputError
from roundsman.monitor.findings import Findings, look_into
from roundsman.monitor.timeline import timeline
from roundsman.monitor.why import facts, why

MOST_EVENTS = 300
"""Of one conversation on a screen, the newest; a table of 100,000 takes a minute to draw."""

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The conversation's id, as `list` shows it.")]


def why_conversation(
    ctx: typer.Context, conversation_id: IdArgument, at: AtOption = None, as_json: JsonOption = False
) -> None:
    """Say why a conversation is judged as it is: every fact behind the verdict, and what would change it."""
    session: Session = ctx.obj
    found = _find(session, conversation_id, at)
    sentences = why(found, session.settings.time_zone)
    if as_json:
        print_json({"verdict": asdict(found.verdict), "why": sentences, "facts": facts(found)})
        return
    say(f"{_title(found)} is {found.verdict.verdict.value}: {one_line(sentences[0])}")
    for sentence in sentences[1:]:
        say(f"- {one_line(sentence)}")
    say(f"- {deep_link(found.watched.page, found.watched.conversation)}")


def show_conversation(
    ctx: typer.Context, conversation_id: IdArgument, at: AtOption = None, as_json: JsonOption = False
) -> None:
    """Show what happened in a conversation: messages by sender, hand-overs, shifts, and what people were told."""
    session: Session = ctx.obj
    found = _find(session, conversation_id, at)
    events = timeline(found)
    if as_json:
        print_json({"verdict": asdict(found.verdict), "events": [asdict(event) for event in events]})
        return
    say(_title(found))
    shown = events[-MOST_EVENTS:]
    if len(shown) < len(events):
        say(f"{len(events) - len(shown)} earlier events are not shown; --json shows all.")
    if shown:
        zone = session.settings.time_zone
        print_table(
            ["TIME", "WHAT", "WHO", ""],
            [
                (local_time(event.at, zone), event.kind.value, one_line(event.who or "", LONGEST_NAME), event.what)
                for event in shown
            ],
        )
    say(f"{'Now' if at is None else 'Then'} {found.verdict.verdict.value}: {one_line(found.verdict.reason)}")


def _find(session: Session, conversation_id: str, at: str | None) -> Findings:
    now = moment_of(session, at)
    app = session.app
    with session.store.read() as connection:
        found = look_into(connection, app.conversations.source, app.conversations.policies, conversation_id, now)
    if found is None:
        raise BadInputError(
            f"There is no conversation {conversation_id!r}; `roundsman conversations list` shows all ids."
        )
    return found


def _title(found: Findings) -> str:
    conversation, page = found.watched.conversation, found.watched.page
    who = conversation.customer_name or "The customer"
    where = one_line(page.name or page.page_id, LONGEST_NAME)
    return one_line(f"{one_line(who, LONGEST_NAME)} on {where} ({conversation.conversation_id})")
