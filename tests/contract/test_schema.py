"""The schema over both databases: made, recognised, compared with the migrations, refused when it is not ours."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from roundsman.clock import ManualClock
from roundsman.errors import EXIT_CONFIGURATION, StoreSchemaError
from roundsman.repositories.engine import Store, StoreOptions, parse_url
from roundsman.repositories.schema import HEAD, OURS, VERSION_TABLE, SchemaChange, ensure_schema
from roundsman.repositories.tables import metadata
from roundsman.repositories.upgrade import known_versions, run_migrations


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = (
        parse_url(f"sqlite:///{tmp_path}/new/store.db")
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )
    with closing(Store(StoreOptions(url))) as store:
        yield store


def test_head_is_the_newest_migration() -> None:
    assert known_versions(OURS.folder)[-1] == HEAD


def test_an_empty_database_gets_all_tables(empty_store: Store, tmp_path: Path, clock: ManualClock) -> None:
    state = ensure_schema(empty_store, backups=tmp_path / "backups", clock=clock)
    assert (state.change, state.version, state.backup) == (SchemaChange.CREATED, HEAD, None)
    with empty_store.read() as connection:
        assert set(inspect(connection).get_table_names()) == set(metadata.tables) | {VERSION_TABLE}
        assert compare_metadata(_alembic(connection), metadata) == []


def test_the_second_time_nothing_is_to_be_done(store: Store, tmp_path: Path, clock: ManualClock) -> None:
    assert ensure_schema(store, backups=tmp_path, clock=clock).change is SchemaChange.NONE


def test_the_migrations_lead_to_the_same_schema_as_the_tables(
    empty_store: Store, request: pytest.FixtureRequest
) -> None:
    tables: Store = request.getfixturevalue(empty_store.dialect.replace("postgresql", "postgres") + "_store")
    with _prepared(empty_store).write() as connection:
        run_migrations(connection, OURS.folder, HEAD)
    with empty_store.read() as migrated, tables.read() as made:
        assert compare_metadata(_alembic(migrated), metadata) == []
        assert _described(migrated) == _described(made)


def test_alembic_is_not_imported_for_a_new_or_a_current_database(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from roundsman.clock import SystemClock
from roundsman.repositories.engine import Store, StoreOptions, parse_url
from roundsman.repositories.schema import ensure_schema
for turn in range(2):
    store = Store(StoreOptions(parse_url("sqlite:///{tmp_path}/store.db")))
    ensure_schema(store, backups=Path("{tmp_path}"), clock=SystemClock())
    store.close()
sys.exit("alembic" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_processes_that_start_at_once_on_an_empty_database_all_succeed(empty_store: Store, tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from roundsman.clock import SystemClock
from roundsman.repositories.engine import Store, StoreOptions, parse_url
from roundsman.repositories.schema import ensure_schema
store = Store(StoreOptions(parse_url(sys.argv[1])))
print("here", flush=True)
sys.stdin.readline()
print(ensure_schema(store, backups=Path("{tmp_path}"), clock=SystemClock()).change)
store.close()
"""
    url = empty_store.options.url.render_as_string(hide_password=False)
    starters = [
        subprocess.Popen([sys.executable, "-c", program, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for starter in starters:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "here\n"
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write("go\n")
        starter.stdin.flush()
    answers = sorted(starter.communicate(timeout=60)[0].strip() for starter in starters)
    assert answers == ["created", "none", "none", "none"]


def test_an_unknown_version_is_refused_naming_both_and_the_fix(
    store: Store, tmp_path: Path, clock: ManualClock
) -> None:
    with store.write() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(StoreSchemaError, match=rf"schema 9999.*{HEAD}.*install the newer Roundsman") as refusal:
        ensure_schema(store, backups=tmp_path / "backups", clock=clock)
    assert refusal.value.exit_code == EXIT_CONFIGURATION
    assert not (tmp_path / "backups").exists()


def test_tables_of_another_program_are_left_alone(empty_store: Store, tmp_path: Path, clock: ManualClock) -> None:
    with _prepared(empty_store).write() as connection:
        connection.execute(text("CREATE TABLE invoices (id INTEGER)"))
    with pytest.raises(StoreSchemaError, match=r"another program \(invoices\).*DATABASE_URL"):
        ensure_schema(empty_store, backups=tmp_path, clock=clock)
    with empty_store.read() as connection:
        assert inspect(connection).get_table_names() == ["invoices"]


@pytest.mark.parametrize("damage", [f"DROP TABLE {VERSION_TABLE}", f"DELETE FROM {VERSION_TABLE}"])
def test_half_of_our_tables_is_called_damaged(store: Store, tmp_path: Path, clock: ManualClock, damage: str) -> None:
    with store.write() as connection:
        connection.execute(text(damage))
    with pytest.raises(StoreSchemaError, match="no schema version, so it is damaged; restore a backup"):
        ensure_schema(store, backups=tmp_path, clock=clock)


def _prepared(store: Store) -> Store:
    if store.dialect == "sqlite":
        Path(str(store.options.url.database)).parent.mkdir(exist_ok=True)
    return store


def _alembic(connection: Connection) -> MigrationContext:
    # On SQLite Alembic takes Identity() for a default that is missing; `_described` compares the defaults there
    defaults = connection.dialect.name == "postgresql"
    options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": defaults}
    return MigrationContext.configure(connection, opts=options)


def _described(connection: Connection) -> list[Any]:
    """Everything that the database itself says of its tables, indexes and constraints."""
    if connection.dialect.name == "sqlite":
        # Constraints in the order of their names: Alembic and the tables write them in different orders
        rows = connection.execute(text("SELECT type, name, sql FROM sqlite_master")).all()
        return sorted((kind, name, sorted(_lines(sql))) for kind, name, sql in rows)
    queries = (
        "SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity, identity_generation"
        " FROM information_schema.columns WHERE table_schema = 'public'",
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace",
    )
    return [sorted(tuple(map(str, row)) for row in connection.execute(text(query))) for query in queries]


def _lines(sql: str | None) -> list[str]:
    # SQLite quotes the name of a table that was rebuilt, and adds a column at the end of the last line
    text_of_all = (sql or "").replace("\t", "").replace('"', "")
    return [part.strip() for part in re.split(r"\n|, ", text_of_all.replace(",\n", "\n")) if part.strip()]
