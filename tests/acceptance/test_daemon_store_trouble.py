"""A store that is locked, full, cut off or not one at all: no tick is lost, no lie is told to the watchdog."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from daemon_process import DaemonProcess, Place, assert_every_tick_has_one_row, executions, states, until
from servers import PostgresServer
from small_disk import fill, small_disk
from sqlalchemy.engine import URL

from roundsman.repositories.schema import HEAD
from roundsman.scheduling.job import OutcomeKind

pytestmark = pytest.mark.xdist_group("daemon-store")

OFTEN = {"WATCHDOG_USEC": "1500000"}
"""Rounds of half a second."""


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another program holds the database for itself."""
    with closing(sqlite3.connect(file, isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def assert_nothing_was_lost(place: Place) -> None:
    rows = place.rows("quick")
    assert_every_tick_has_one_row(rows, "every 200ms")
    done = {row.due_at for row in rows if row.outcome is OutcomeKind.DONE}
    assert executions(place, "quick").keys() == done
    assert set(executions(place, "quick").values()) == {1}


def feedings(daemon: DaemonProcess) -> int:
    return daemon.notifications.count("WATCHDOG=1")


def wait_for_feedings(daemon: DaemonProcess, count: int = 2) -> None:
    before = feedings(daemon)
    until(lambda: feedings(daemon) >= before + count, "signs of life")


def test_while_the_store_is_locked_ticks_wait_and_the_watchdog_is_not_fed(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="quick", settings={"JOB_QUICK_CATCH_UP": "all", **OFTEN})
    with place.start().ready() as daemon:
        wait_for_feedings(daemon)
        place.runs("quick", 2)
        with locked(place.file):
            daemon.logged("No progress, so the watchdog is not fed: ")
            before = feedings(daemon)
            daemon.logged("The ledger cannot be written: ")
            assert feedings(daemon) == before
        daemon.logged("The ledger can be written again")
        wait_for_feedings(daemon)
        place.runs("quick", 3)
        assert daemon.stop() == 0
        sentence = (
            f"The database {place.file} is locked by another program; close that or wait, then try again."
            " Ticks wait until it can."
        )
        assert daemon.log().count(f"The ledger cannot be written: {sentence}") == 1
        assert "Traceback" not in daemon.log()
        assert any(line.startswith("STATUS=No progress: ") for line in daemon.notifications.lines())
    assert_nothing_was_lost(place)
    assert states(place.rows("quick"))["late"] >= 10


def test_a_store_that_was_replaced_under_the_daemon_is_no_sign_of_life(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="quick", settings=OFTEN)
    with place.start().ready() as daemon:
        wait_for_feedings(daemon)
        place.runs("quick", 1)
        place.file.rename(tmp_path / "taken-away.db")
        daemon.logged("No progress, so the watchdog is not fed: ")
        before = feedings(daemon)
        assert f"The store {place.file} was removed or moved away while this process had it open: " in daemon.log()
        until(lambda: daemon.log().count("No progress") >= 3, "three rounds")
        assert feedings(daemon) == before


@pytest.mark.slow
def test_a_full_disk_is_survived(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        place = Place(disk, jobs="quick", settings={"JOB_QUICK_CATCH_UP": "all", **OFTEN})
        place.elsewhere = tmp_path
        with place.start().ready() as daemon:
            place.runs("quick", 2)
            filler = fill(disk)
            daemon.logged(f"The ledger cannot be written: The disk that holds {place.file} is full; free some space.")
            daemon.logged("No progress, so the watchdog is not fed: ")
            before = feedings(daemon)
            until(lambda: daemon.log().count("No progress") >= 3, "three rounds")
            assert feedings(daemon) == before
            filler.unlink()
            daemon.logged("The ledger can be written again")
            wait_for_feedings(daemon)
            place.runs("quick", 3)
            assert daemon.stop() == 0
            assert "Traceback" not in daemon.log()
        assert_nothing_was_lost(place)


@pytest.mark.slow
@pytest.mark.postgres
def test_connections_that_postgresql_cuts_are_made_anew(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: URL
) -> None:
    place = Place(tmp_path, postgres_url, jobs="quick", settings={"JOB_QUICK_CATCH_UP": "all"})
    with place.start().ready() as daemon:
        place.runs("quick", 2)
        for _ in range(3):
            postgres_server.administer(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                f" WHERE datname = '{postgres_url.database}' AND application_name = 'roundsman'"
            )
            place.runs("quick", 2)
        assert daemon.stop() == 0
        assert "Traceback" not in daemon.log()
        assert str(postgres_url.password) not in daemon.log()
    assert_nothing_was_lost(place)


# --- a store that cannot be used from the start ---


def refused(place: Place, code: int) -> str:
    """The one sentence with which a start was refused."""
    ended = place.command("run")
    assert ended.returncode == code, ended.stderr
    lines = [line for line in ended.stderr.splitlines() if line.startswith("roundsman: ")]
    assert len(lines) == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    return lines[0]


def test_a_state_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    place = Place(tmp_path, settings={"ROUNDSMAN_STATE_DIR": str(tmp_path / "file" / "state")})
    sentence = refused(place, 1)
    assert "cannot be created (Not a directory)" in sentence
    assert "ROUNDSMAN_STATE_DIR" in sentence


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.file.write_text("Dear diary, " * 1000)
    assert "is not a SQLite database" in refused(place, 1)
    assert place.file.read_text().startswith("Dear diary")


def test_a_newer_schema_is_refused_for_good(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.command("jobs", "list").returncode == 0
    with closing(sqlite3.connect(place.file)) as store, store:
        store.execute("UPDATE roundsman_version SET version_num = '9999'")
    sentence = refused(place, 78)
    assert f"has schema 9999, which this Roundsman does not know (its own is {HEAD})" in sentence


@pytest.mark.postgres
def test_a_postgresql_that_is_not_there_is_one_sentence_without_the_password(tmp_path: Path) -> None:
    place = Place(tmp_path, URL.create("postgresql", "roundsman", "not-to-be-seen", "127.0.0.1", 1, "roundsman"))
    sentence = refused(place, 1)
    assert "does not answer" in sentence
    assert "not-to-be-seen" not in sentence
