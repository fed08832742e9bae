"""`roundsman alerts inbox | read`: the messages of the channel in_app, for people who have no other one at hand."""

from typing import Annotated, Any

import typer

from roundsman.cli.output import print_json, print_table, say
from roundsman.cli.person import person
from roundsman.cli.session import Session
from roundsman.errors import BadInputError
from roundsman.repositories.inbox import InboxMessage, InboxRepository

LARGEST_NUMBER = 2**63 - 1


def show_inbox(
    ctx: typer.Context,
    unread: Annotated[bool, typer.Option("--unread", help="Only those that nobody has read.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="How many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the messages of the inbox, the newest first. Looking at them does not mark them as read."""
    session: Session = ctx.obj
    with session.store.read() as connection:
        found = InboxRepository().latest(connection, limit, unread=unread)
    if as_json:
        print_json([_row(message) for message in found])
        return
    if not found:
        say("No unread messages." if unread else "No messages.")
        if "in_app" not in session.settings.alerts.channels:
            say("The channel in_app is not in use; name it in ALERT_CHANNELS.")
        return
    zone = session.settings.time_zone
    print_table(
        ["ID", "CAME", "EVENT", "SEVERITY", "READ", "MESSAGE"],
        [
            (
                message.id,
                f"{message.created_at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
                message.content.event,
                message.content.severity,
                f"by {message.read_by}" if message.read_at is not None else "no",
                message.content.text,
            )
            for message in found
        ],
    )


def mark_read(
    ctx: typer.Context,
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="ID...", min=1, max=LARGEST_NUMBER, help="Of the inbox.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are unread.")] = False,
) -> None:
    """Mark messages of the inbox as read. The alerts that they tell of stay as they are."""
    session: Session = ctx.obj
    if bool(numbers) == everything:
        raise BadInputError("Name the messages by their ids, or choose --all; `alerts inbox` shows them.")
    repository, by, now = InboxRepository(), person(), session.clock.now()
    with session.store.write() as connection:
        if everything:
            count = repository.mark_all_read(connection, by=by, now=now)
        else:
            unknown = sorted(set(numbers or ()) - repository.known(connection, numbers or ()))
            if unknown:
                raise BadInputError(f"There is no message {unknown[0]} in the inbox; `alerts inbox` shows them.")
            count = repository.mark_read(connection, numbers or (), by=by, now=now)
    say(f"Marked as read: {count}.")


def _row(message: InboxMessage) -> dict[str, Any]:
    content = message.content
    return {
        "id": message.id,
        "created_at": message.created_at,
        "changed_at": message.changed_at,
        "event": content.event,
        "severity": content.severity,
        "title": content.title,
        "text": content.text,
        "link": content.link,
        "fields": content.fields,
        "read_at": message.read_at,
        "read_by": message.read_by,
    }
