"""`roundsman conversations`: import, list, due, resync; the other commands have files of their own."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from roundsman.cli.arguments import AtOption, JsonOption, moment_of
from roundsman.cli.calendars import show_calendar
from roundsman.cli.conversation_simulate import simulate_policies
from roundsman.cli.conversation_snooze import snooze_conversation
from roundsman.cli.conversation_why import show_conversation, why_conversation
from roundsman.cli.group import command_group
from roundsman.cli.output import LONGEST_NAME, one_line, print_json, print_table, say
from roundsman.cli.pancake import import_webhook, resync
from roundsman.cli.session import Session
from roundsman.conversations.importer import ImportSummary
from roundsman.conversations.platform import platform_of
from roundsman.conversations.roster import Roster, RosterEntry
from roundsman.conversations.verdict import Judgement

app = command_group()

MOST_SENTENCES = 20
"""How many sentences about single documents an import prints; a broken export would fill the screen otherwise."""


@app.command("import")
def import_export(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A FolkForm export, JSON or JSON lines; - reads stdin.")],
    webhook: Annotated[bool, typer.Option("--webhook", help="The file holds webhook calls of Pancake.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Import a FolkForm export. Doing it again changes nothing; a broken document is set aside, the rest goes in."""
    session: Session = ctx.obj
    if webhook:
        import_webhook(session, file, as_json=as_json)
        return
    summary = session.app.conversations.importer.import_file(file)
    if as_json:
        print_json(asdict(summary))
    else:
        say_summary(summary)


@app.command("list")
def list_conversations(ctx: typer.Context, at: AtOption = None, as_json: JsonOption = False) -> None:
    """List every conversation with its verdict."""
    session: Session = ctx.obj
    moment = moment_of(session, at)
    with session.store.read() as connection:
        entries = _roster(session).all(connection, moment)
    _print(session, entries, as_json=as_json, when_empty="No conversation is stored.")


@app.command("due")
def list_due(ctx: typer.Context, at: AtOption = None, as_json: JsonOption = False) -> None:
    """List the conversations whose customer has waited too long."""
    session: Session = ctx.obj
    moment = moment_of(session, at)
    roster = _roster(session)
    with session.store.read() as connection:
        entries = roster.due_now(connection, moment) if at is None else roster.due(connection, moment)
    _print(session, entries, as_json=as_json, when_empty="Nobody has waited too long.")


app.command("calendar")(show_calendar)
app.command("resync")(resync)
app.command("why")(why_conversation)
app.command("show")(show_conversation)
app.command("simulate")(simulate_policies)
app.command("snooze")(snooze_conversation)


def say_summary(summary: ImportSummary) -> None:
    """An import's counts and sentences, for people."""
    print_table(
        ["COLLECTION", "NEW", "CHANGED", "UNCHANGED", "SET ASIDE"],
        [
            (name, counts.new, counts.changed, counts.unchanged, counts.set_aside)
            for name, counts in summary.collections.items()
        ],
        title=f"Imported {summary.file}",
    )
    if summary.conversations_made:
        say(f"Conversations made from their messages alone: {summary.conversations_made}.")
    if summary.ignored:
        say("Not needed and passed over: " + ", ".join(f"{n} x {name}" for name, n in summary.ignored.items()) + ".")
    _say_some([each.sentence for each in summary.set_aside])
    _say_some(summary.future)


def _say_some(sentences: Sequence[str]) -> None:
    for sentence in sentences[:MOST_SENTENCES]:
        say(f"- {sentence}")
    if len(sentences) > MOST_SENTENCES:
        say(f"- and {len(sentences) - MOST_SENTENCES} more like these.")


def _roster(session: Session) -> Roster:
    return Roster(session.app.conversations.policies, session.app.conversations.source)


def _print(session: Session, entries: Sequence[RosterEntry], *, as_json: bool, when_empty: str) -> None:
    if as_json:
        print_json([asdict(entry.verdict) for entry in entries])
        return
    if not entries:
        say(when_empty)
        return
    order = list(reversed(Judgement))
    rows = sorted(entries, key=lambda entry: order.index(entry.verdict.verdict))  # stable: longest waiting first
    print_table(
        ["VERDICT", "WAITED", "DUE", "CUSTOMER", "PAGE", "PLATFORM", "CONVERSATION", "NOTE"],
        [_cells(session, entry) for entry in rows],
    )


def _cells(session: Session, entry: RosterEntry) -> tuple[str, ...]:
    verdict, conversation, page = entry.verdict, entry.watched.conversation, entry.watched.page
    due = f"{verdict.due_at.astimezone(session.settings.time_zone):%m-%d %H:%M}" if verdict.due_at else ""
    return (
        verdict.verdict.value,
        f"{verdict.waited_minutes:.1f} min" if verdict.due_at else "",
        due,
        one_line(conversation.customer_name or "", LONGEST_NAME),
        one_line(page.name or page.page_id, LONGEST_NAME),
        platform_of(conversation).value,
        verdict.conversation_id,
        verdict.reason if verdict.verdict is Judgement.EXCLUDED else "",
    )
