"""The version of the store's schema: made on first use, brought forward when behind, refused when newer.

A new store gets its tables straight from `tables.py` and the number of the newest migration, without Alembic: its
import takes half a second, which the daemon does not have at every start. A test proves that the migrations lead
to the same schema. Alembic is imported only to bring an older store forward.

SQLite is upgraded by itself at start, after a copy was put aside. PostgreSQL is not: other daemons may be using it
and the copy is the administrator's to take, so it waits for `roundsman db upgrade`.
"""

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, func, insert, inspect, select

from roundsman.clock import Clock
from roundsman.errors import StoreError, StoreSchemaError
from roundsman.repositories.backup import automatic_name, copy_sqlite, thin_out
from roundsman.repositories.engine import Store
from roundsman.repositories.place import prepare_file, sqlite_file
from roundsman.repositories.tables import metadata

log = logging.getLogger(__name__)

HEAD = "0009"
"""The newest migration: what this program reads and writes."""

VERSION_TABLE = "roundsman_version"
"""Not Alembic's usual name: another program in the same PostgreSQL database may use that."""

_UPGRADE_PATIENCE_MS = 60_000
"""How long a second process waits while the first one upgrades a SQLite store."""

_ADVISORY_LOCK = 0x726F756E64736D61
"""Any fixed number of 63 bits; this one spells "roundsma". Held by the one who changes a PostgreSQL schema."""

_version = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)


@dataclass(frozen=True)
class Migrations:
    """A folder of Alembic migrations and the newest one in it."""

    head: str
    folder: Path


OURS = Migrations(HEAD, Path(__file__).parent / "migrations")


class SchemaChange(StrEnum):
    """What had to be done to the schema."""

    NONE = "none"
    CREATED = "created"
    UPGRADED = "upgraded"


@dataclass(frozen=True)
class SchemaState:
    """The schema as it is now, and how it came to be so."""

    change: SchemaChange
    version: str
    previous: str | None = None
    """The version before an upgrade."""
    backup: Path | None = None
    """The copy of the store from before an upgrade (SQLite)."""


def ensure_schema(store: Store, *, backups: Path, clock: Clock, migrations: Migrations = OURS) -> SchemaState:
    """Make the store ready for this program; safe when several processes do so at once.

    `backups` is the folder for the copy of a SQLite store that is behind.
    Raises StoreSchemaError (newer, foreign or half a schema; PostgreSQL that is behind) and StoreError.
    """
    prepare_file(store.options.url)
    with store.read() as connection:
        version = _read_version(connection, store.place)
    if version == migrations.head:
        return SchemaState(SchemaChange.NONE, version)
    if version is not None and store.dialect == "postgresql":
        _refuse_unknown(version, store.place, migrations)
        raise StoreSchemaError(
            f"The database {store.place} has schema {version} and this Roundsman needs {migrations.head}; "
            "stop the daemons that use it, back it up with pg_dump, then run: roundsman db upgrade"
        )
    return upgrade_schema(store, backups=backups, clock=clock, migrations=migrations)


def upgrade_schema(store: Store, *, backups: Path, clock: Clock, migrations: Migrations = OURS) -> SchemaState:
    """Bring the schema to the newest version, on PostgreSQL too: all of it in one transaction, or nothing.

    Raises StoreSchemaError and StoreError; also when the copy of a SQLite store cannot be taken.
    """
    prepare_file(store.options.url)
    options = replace(store.options, foreign_keys=False, busy_timeout_ms=_UPGRADE_PATIENCE_MS)
    with closing(Store(options)) as changer, changer.write() as connection:
        if store.dialect == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        # Read under the lock, for another process may have been first
        version = _read_version(connection, store.place)
        if version == migrations.head:
            return SchemaState(SchemaChange.NONE, version)
        if version is None:
            _create(connection, migrations.head)
            return SchemaState(SchemaChange.CREATED, migrations.head)
        _refuse_unknown(version, store.place, migrations)
        # We hold the write lock and have written nothing: the copy is what the upgrade will start from
        backup = _put_aside(store, version, backups, clock)
        _migrate(connection, migrations)
    log.info("Upgraded the database %s from schema %s to %s", store.place, version, migrations.head)
    return SchemaState(SchemaChange.UPGRADED, migrations.head, version, backup)


def _read_version(connection: Connection, place: str) -> str | None:
    """The schema's version; None if the database is empty."""
    inspector = inspect(connection)
    if inspector.has_table(VERSION_TABLE):
        versions: Sequence[str] = connection.execute(select(_version.c.version_num)).scalars().all()
        if len(versions) == 1:
            return versions[0]
    names = set(inspector.get_table_names())
    if not names:
        return None
    if names & (set(metadata.tables) | {VERSION_TABLE}):
        raise StoreSchemaError(
            f"The database {place} holds Roundsman's tables but no schema version, so it is damaged; "
            "restore a backup, or name an empty database in DATABASE_URL."
        )
    raise StoreSchemaError(
        f"The database {place} holds tables of another program ({', '.join(sorted(names)[:3])}) and none of "
        "Roundsman's; name an empty database in DATABASE_URL."
    )


def _create(connection: Connection, version: str) -> None:
    metadata.create_all(connection, checkfirst=False)
    _version.create(connection, checkfirst=False)
    connection.execute(insert(_version).values(version_num=version))


def _refuse_unknown(version: str, place: str, migrations: Migrations) -> None:
    from roundsman.repositories.upgrade import known_versions

    if version not in known_versions(migrations.folder):
        raise StoreSchemaError(
            f"The database {place} has schema {version}, which this Roundsman does not know (its own is "
            f"{migrations.head}); install the newer Roundsman again, or restore the backup from before its upgrade."
        )


def _put_aside(store: Store, version: str, backups: Path, clock: Clock) -> Path | None:
    file = sqlite_file(store.options.url)
    if file is None:
        return None
    backup = backups / automatic_name(version, clock.now())
    try:
        copy_sqlite(file, backup)
    except StoreError as error:
        raise StoreError(f"{error} The upgrade was not begun: it needs this copy.") from None
    thin_out(backups)
    return backup


def _migrate(connection: Connection, migrations: Migrations) -> None:
    from roundsman.repositories.upgrade import run_migrations

    run_migrations(connection, migrations.folder, migrations.head)
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise StoreError(
            f"The upgrade to schema {migrations.head} would leave rows without their parents; nothing was changed. "
            "Please report this as a bug."
        )
