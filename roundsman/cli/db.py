"""`roundsman db`: bring the schema forward, take a copy. Opens the store as it is, whatever its schema."""

import shlex
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.engine import URL

from roundsman.cli.group import command_group
from roundsman.cli.output import print_json, say
from roundsman.cli.session import Session
from roundsman.errors import BadInputError
from roundsman.repositories.backup import copy_sqlite, manual_name
from roundsman.repositories.engine import Store
from roundsman.repositories.place import sqlite_file, store_options
from roundsman.repositories.schema import SchemaChange, upgrade_schema

app = command_group()

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("upgrade")
def upgrade(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Bring the store to this program's schema (a SQLite store is copied first)."""
    session: Session = ctx.obj
    with closing(Store(store_options(session.settings.store))) as store:
        state = upgrade_schema(store, backups=_backups(session), clock=session.clock)
        place = store.place
    if as_json:
        print_json(
            {
                "database": place,
                "change": state.change,
                "version": state.version,
                "previous": state.previous,
                "backup": None if state.backup is None else str(state.backup),
            }
        )
    elif state.change is SchemaChange.UPGRADED:
        copy = f"; the copy from before is {state.backup}" if state.backup else ""
        say(f"The database {place} was upgraded from schema {state.previous} to {state.version}{copy}.")
    elif state.change is SchemaChange.CREATED:
        say(f"The database {place} was empty and has schema {state.version} now.")
    else:
        say(f"The database {place} has schema {state.version} already; nothing was to be done.")


@app.command("backup")
def backup(
    ctx: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="Where to; by default a new file in the backups folder.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy a SQLite store while it is in use."""
    session: Session = ctx.obj
    options = store_options(session.settings.store)
    source = sqlite_file(options.url)
    if source is None:
        raise BadInputError(f"The store is a PostgreSQL database, which brings its own tool: {_pg_dump(options.url)}")
    if not source.exists():
        raise BadInputError(f"There is no database {source} yet; nothing was copied.")
    target = file or _backups(session) / manual_name(session.clock.now())
    if target.exists():
        raise BadInputError(f"{target} exists already; name another file.")
    copy_sqlite(source, target)
    if as_json:
        print_json({"database": str(source), "backup": str(target), "bytes": target.stat().st_size})
    else:
        say(f"Copied {source} to {target} ({target.stat().st_size / 1024:.0f} KiB).")


def _pg_dump(url: URL) -> str:
    """The command to type; it asks for the password."""
    host, port = url.host or url.query.get("host"), url.port or url.query.get("port")
    given = {"host": host, "port": port, "username": url.username}
    options = [f"--{name}={shlex.quote(str(value))}" for name, value in given.items() if value]
    return " ".join(["pg_dump --format=custom --file=roundsman.dump", *options, shlex.quote(str(url.database))])


def _backups(session: Session) -> Path:
    return session.settings.state_dir / "backups"
