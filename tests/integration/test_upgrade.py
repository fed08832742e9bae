"""An older store is brought forward by a made-up later migration: copy first, then all or nothing."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.engine import URL

from roundsman.clock import ManualClock
from roundsman.errors import StoreError, StoreSchemaError
from roundsman.repositories.engine import Store, StoreOptions
from roundsman.repositories.schema import HEAD, OURS, Migrations, SchemaChange, ensure_schema, upgrade_schema

LATER = f"""
import os
import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "{HEAD}"


def upgrade():
    with op.batch_alter_table("alerts", recreate="auto") as alerts:
        alerts.add_column(sa.Column("note", sa.Text()))
        alerts.alter_column("job", new_column_name="raised_by")
    op.execute("UPDATE channels SET identity = 'changed'")
    # HERE
"""


@pytest.fixture
def later(tmp_path: Path) -> Migrations:
    return migrations_with(LATER, tmp_path / "migrations")


def migrations_with(later: str, folder: Path) -> Migrations:
    shutil.copytree(OURS.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "9000_later.py").write_text(later)
    return Migrations("9000", folder)


@pytest.fixture
def filled(sqlite_store: Store) -> Store:
    fill(sqlite_store)
    return sqlite_store


def fill(store: Store) -> None:
    with store.write() as connection:
        connection.execute(text("INSERT INTO channels (channel, identity) VALUES ('slack', 'first')"))
        connection.execute(
            text(
                "INSERT INTO alerts (fingerprint, kind, severity, status, labels, annotations, since_at, opened_at)"
                " VALUES ('k:1', 'k', 'high', 'firing', '{}', '{}', '2026-03-03 04:00:00', '2026-03-03 04:00:00')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO notifications (alert_id, channel, event, status, not_before, created_at)"
                " SELECT id, 'slack', 'firing', 'sent', opened_at, opened_at FROM alerts"
            )
        )


def counted(store: Store) -> tuple[object, ...]:
    with store.read() as connection:
        row = connection.execute(
            text(
                "SELECT (SELECT count(*) FROM alerts), (SELECT count(*) FROM notifications),"
                " (SELECT identity FROM channels)"
            )
        ).one()
    return tuple(row)


def test_an_older_sqlite_store_is_copied_and_upgraded(
    filled: Store, later: Migrations, tmp_path: Path, clock: ManualClock
) -> None:
    state = ensure_schema(filled, backups=tmp_path / "backups", clock=clock, migrations=later)
    backup = tmp_path / "backups" / f"roundsman-{HEAD}-20260303T040000Z.db"
    assert (state.change, state.previous, state.version) == (SchemaChange.UPGRADED, HEAD, "9000")
    assert state.backup == backup
    assert counted(filled) == (1, 1, "changed")  # a rebuilt table has not emptied those that refer to it
    with filled.read() as connection:
        columns = {column["name"] for column in inspect(connection).get_columns("alerts")}
    assert {"note", "raised_by"} <= columns
    assert "job" not in columns
    assert backup.stat().st_mode & 0o777 == 0o640
    assert list((tmp_path / "backups").iterdir()) == [backup]
    with closing(sqlite3.connect(backup)) as copy:
        assert copy.execute("SELECT identity FROM channels").fetchone() == ("first",)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_after_an_upgrade_nothing_is_to_be_done(
    filled: Store, later: Migrations, tmp_path: Path, clock: ManualClock
) -> None:
    ensure_schema(filled, backups=tmp_path / "backups", clock=clock, migrations=later)
    assert ensure_schema(filled, backups=tmp_path, clock=clock, migrations=later).change is SchemaChange.NONE


def test_foreign_keys_are_enforced_again_after_an_upgrade(
    filled: Store, later: Migrations, tmp_path: Path, clock: ManualClock
) -> None:
    ensure_schema(filled, backups=tmp_path / "backups", clock=clock, migrations=later)
    with filled.write() as connection:
        connection.execute(text("DELETE FROM alerts"))
    assert counted(filled) == (0, 0, "changed")


def test_an_older_program_refuses_the_upgraded_store(
    filled: Store, later: Migrations, tmp_path: Path, clock: ManualClock
) -> None:
    ensure_schema(filled, backups=tmp_path / "backups", clock=clock, migrations=later)
    with pytest.raises(StoreSchemaError, match=f"schema 9000.*{HEAD}"):
        ensure_schema(filled, backups=tmp_path / "backups", clock=clock)


def test_the_newest_five_copies_are_kept_and_nothing_else_is_touched(
    filled: Store, later: Migrations, tmp_path: Path, clock: ManualClock
) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    for day in range(10, 17):
        (backups / f"roundsman-0000-202601{day}T000000Z.db").touch()
    (backups / "manual-20200101T000000Z.db").touch()
    ensure_schema(filled, backups=backups, clock=clock, migrations=later)
    assert sorted(file.name for file in backups.iterdir()) == [
        "manual-20200101T000000Z.db",
        *(f"roundsman-0000-202601{day}T000000Z.db" for day in range(13, 17)),
        f"roundsman-{HEAD}-20260303T040000Z.db",
    ]


def test_without_a_copy_there_is_no_upgrade(
    filled: Store, later: Migrations, tmp_path: Path, clock: ManualClock
) -> None:
    backups = tmp_path / "backups"
    backups.write_text("a file stands where the folder should be")
    with pytest.raises(StoreError, match=r"could not be copied.*The upgrade was not begun"):
        ensure_schema(filled, backups=backups, clock=clock, migrations=later)
    assert counted(filled) == (1, 1, "first")
    assert ensure_schema(filled, backups=tmp_path, clock=clock).change is SchemaChange.NONE


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk of its own needs root to mount it")
def test_a_full_disk_stops_the_upgrade_before_it_begins(
    filled: Store, later: Migrations, tmp_path: Path, clock: ManualClock
) -> None:
    backups = tmp_path / "small"
    backups.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", backups], check=True)
    try:
        with pytest.raises(StoreError, match=r"could not be copied.*full.*The upgrade was not begun"):
            ensure_schema(filled, backups=backups, clock=clock, migrations=later)
        assert list(backups.iterdir()) == []
    finally:
        subprocess.run(["umount", backups], check=True)
    assert counted(filled) == (1, 1, "first")


def test_a_migration_that_fails_leaves_the_old_store(filled: Store, tmp_path: Path, clock: ManualClock) -> None:
    failing = migrations_with(LATER.replace("# HERE", "raise RuntimeError('no')"), tmp_path / "failing")
    with pytest.raises(RuntimeError, match="no"):
        ensure_schema(filled, backups=tmp_path / "backups", clock=clock, migrations=failing)
    assert counted(filled) == (1, 1, "first")
    assert ensure_schema(filled, backups=tmp_path, clock=clock).change is SchemaChange.NONE


def test_a_migration_that_orphans_rows_is_undone(filled: Store, tmp_path: Path, clock: ManualClock) -> None:
    orphaning = migrations_with(LATER.replace("# HERE", "op.execute('DELETE FROM alerts')"), tmp_path / "orphaning")
    with pytest.raises(StoreError, match="without their parents; nothing was changed"):
        ensure_schema(filled, backups=tmp_path / "backups", clock=clock, migrations=orphaning)
    assert counted(filled) == (1, 1, "first")


KILLED = """
import sys
from contextlib import closing
from pathlib import Path
from roundsman.clock import SystemClock
from roundsman.repositories.engine import Store, StoreOptions, parse_url
from roundsman.repositories.schema import Migrations, upgrade_schema
store = Store(StoreOptions(parse_url(sys.argv[1])))
upgrade_schema(store, backups=Path(sys.argv[3]), clock=SystemClock(), migrations=Migrations("9000", Path(sys.argv[2])))
"""


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_kill_in_the_middle_of_an_upgrade_leaves_the_old_data(
    database: str, request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> None:
    store: Store = request.getfixturevalue(f"{database}_store")
    fill(store)
    store.engine.dispose()
    folder = tmp_path / "killing"
    migrations_with(LATER.replace("# HERE", "os.kill(os.getpid(), 9)"), folder)
    url = store.options.url.render_as_string(hide_password=False)
    killed = subprocess.run([sys.executable, "-c", KILLED, url, folder, tmp_path / "backups"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert counted(store) == (1, 1, "first")
    assert ensure_schema(store, backups=tmp_path, clock=clock).change is SchemaChange.NONE
    # ... and the upgrade works when it is tried again
    again = migrations_with(LATER, tmp_path / "again")
    upgrade_schema(store, backups=tmp_path / "backups", clock=clock, migrations=again)
    assert counted(store) == (1, 1, "changed")


@pytest.mark.postgres
def test_postgresql_waits_for_the_command(
    postgres_store: Store, later: Migrations, tmp_path: Path, clock: ManualClock
) -> None:
    with pytest.raises(StoreSchemaError, match=f"schema {HEAD} .*needs 9000; .*run: roundsman db upgrade$"):
        ensure_schema(postgres_store, backups=tmp_path, clock=clock, migrations=later)
    state = upgrade_schema(postgres_store, backups=tmp_path, clock=clock, migrations=later)
    assert (state.change, state.previous, state.backup) == (SchemaChange.UPGRADED, HEAD, None)
    assert ensure_schema(postgres_store, backups=tmp_path, clock=clock, migrations=later).change is SchemaChange.NONE


def test_a_new_sqlite_file_is_closed_to_others_even_with_a_wide_umask(tmp_path: Path, clock: ManualClock) -> None:
    file = tmp_path / "state" / "deep" / "store.db"
    before = os.umask(0)
    try:
        with closing(Store(StoreOptions(URL.create("sqlite", database=str(file))))) as store:
            ensure_schema(store, backups=tmp_path, clock=clock)
            modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o640}
    assert file.parent.stat().st_mode & 0o777 == 0o750
