"""`roundsman conversations`: import; the other commands have files of their own."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from roundsman.cli.arguments import JsonOption
from roundsman.cli.calendars import show_calendar
from roundsman.cli.conversation_compare import compare_with_pancake
from roundsman.cli.conversation_list import list_conversations, list_due
from roundsman.cli.conversation_simulate import simulate_policies
from roundsman.cli.conversation_snooze import snooze_conversation
from roundsman.cli.conversation_why import show_conversation, why_conversation
from roundsman.cli.group import command_group
from roundsman.cli.output import print_json, print_table, say
from roundsman.cli.pancake import import_webhook, resync
from roundsman.cli.session import Session
from roundsman.conversations.importer import ImportSummary

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


app.command("list")(list_conversations)
app.command("due")(list_due)
app.command("compare")(compare_with_pancake)
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
