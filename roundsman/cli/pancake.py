"""What `roundsman conversations` can do about Pancake: take webhook calls from a file, and ask for a resync."""

from dataclasses import asdict
from typing import Annotated

import typer

from roundsman.cli.arguments import JsonOption
from roundsman.cli.output import print_json, print_table, say
from roundsman.cli.session import Session
from roundsman.errors import BadInputError
from roundsman.repositories.conversations import ConversationRepository
from roundsman.repositories.page_syncs import PageSyncRepository
from roundsman.repositories.resyncs import Resync, ResyncRepository

MOST_SENTENCES = 20


def import_webhook(session: Session, file: str, *, as_json: bool) -> None:
    """Import a file of webhook calls, and say what came of it."""
    from roundsman.conversations.pancake.webhook_import import WebhookImporter

    summary = WebhookImporter(session.store, session.app.conversations.intake, session.clock).import_file(file)
    if as_json:
        print_json(asdict(summary))
        return
    say(f"Imported {summary.calls} webhook calls of {summary.file}.")
    print_table(
        ["", "NEW", "CHANGED"],
        [
            ("conversations", summary.conversations_new, summary.conversations_changed),
            ("messages", summary.messages_new, summary.messages_changed),
        ],
    )
    if summary.ignored:
        say("Not needed and passed over: " + ", ".join(f"{n} x {name}" for name, n in summary.ignored.items()) + ".")
    if summary.homeless:
        say(f"Messages of conversations whose page nobody tells: {summary.homeless}; they were not stored.")
    for sentence in summary.set_aside[:MOST_SENTENCES]:
        say(f"- {sentence}")
    if len(summary.set_aside) > MOST_SENTENCES:
        say(f"- and {len(summary.set_aside) - MOST_SENTENCES} more like these.")


def resync(
    ctx: typer.Context,
    conversation_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of stored conversations.")],
    as_json: JsonOption = False,
) -> None:
    """Have conversations read again from Pancake before all others, at the next run of data_sync."""
    session: Session = ctx.obj
    now = session.clock.now()
    with session.store.write() as connection:
        page_of = ConversationRepository().page_of(connection, conversation_ids)
        unknown = [each for each in conversation_ids if each not in page_of]
        if unknown:
            raise BadInputError(f"There is no conversation {unknown[0]!r}; `roundsman conversations list` shows them.")
        wanted = [Resync(each, page_of[each], now, "asked for by hand") for each in conversation_ids]
        ResyncRepository().ask(connection, wanted)
        syncs = PageSyncRepository().all(connection)
    idle = sorted({page for page in page_of.values() if page not in syncs or not syncs[page].is_set_up})
    if as_json:
        print_json({"asked_for": sorted(page_of), "pages_not_synced": idle})
        return
    say(f"Asked for: {', '.join(sorted(page_of))}.")
    if idle:
        say(f"It waits, as these pages are not synced from Pancake at present: {', '.join(idle)}.")
