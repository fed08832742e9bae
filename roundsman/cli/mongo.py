"""`roundsman mongo`: look at FolkForm's MongoDB, and make the indexes by which changes are found."""

from contextlib import closing
from typing import Annotated

import typer

from roundsman.app.mongo import PATIENCE, MongoParts
from roundsman.cli.group import command_group
from roundsman.cli.output import complain, print_json, print_table, say
from roundsman.cli.session import Session
from roundsman.errors import EXIT_FAILED, BadInputError, SourceError

app = command_group()

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("check")
def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Connect; tell what was found where, and what is missing."""
    session: Session = ctx.obj
    with closing(_parts(session)) as parts:
        database = parts.database
        names = database.names()
        fault = None
        try:
            database.check(session.clock.now())
        except SourceError as error:
            fault = str(error)
    found = {
        "conversations": names.conversations,
        "messages": names.messages,
        "pages": names.pages,
        "agents": names.agents,
    }
    if as_json:
        print_json({"database": database.name, "collections": found, "fault": fault})
    else:
        print_table(("what", "collection"), ((what, name or "-") for what, name in found.items()))
        if fault is None:
            say(f"{database.name} is in order.")
    if fault is not None:
        if not as_json:
            complain(fault)
        raise typer.Exit(EXIT_FAILED)


@app.command("create-indexes")
def create_indexes(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Make the index by which changes are found, in each of the two collections. May take minutes."""
    session: Session = ctx.obj
    with closing(_parts(session)) as parts:
        made = parts.database.create_indexes()
    if as_json:
        print_json({"database": parts.database.name, "created": made})
    elif made:
        say(f"{parts.database.name}: made the index roundsman_changes of {' and '.join(made)}.")
    else:
        say(f"{parts.database.name}: the indexes are there already.")


def _parts(session: Session) -> MongoParts:
    settings = session.settings.mongo
    if settings is None:
        raise BadInputError("MONGO_URL is not set, so there is no MongoDB to look at; set it, or import exports.")
    return MongoParts(settings, PATIENCE)
