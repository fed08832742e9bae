"""A SQLite file that is taken away under its store."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

from roundsman.errors import StoreError
from roundsman.repositories.engine import Store, StoreOptions
from roundsman.repositories.store_file import StoreFile


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "roundsman.db"


@pytest.fixture
def store(place: Path) -> Iterator[Store]:
    with closing(Store(StoreOptions(URL.create("sqlite", database=str(place))))) as opened:
        with opened.write() as connection:
            connection.execute(text("CREATE TABLE things (id INTEGER)"))
        yield opened


def test_a_file_that_is_written_to_stays_the_same(store: Store) -> None:
    file = StoreFile(store)
    with store.write() as connection:
        connection.execute(text("INSERT INTO things VALUES (1)"))
        file.check()
    file.check()


def test_a_removed_file_is_told_although_it_still_takes_writes(store: Store, place: Path) -> None:
    file = StoreFile(store)
    place.unlink()
    with store.write() as connection:
        assert connection.execute(text("INSERT INTO things VALUES (1)")).rowcount == 1
    with pytest.raises(StoreError, match=r"roundsman.db was removed or moved away while .*: restart it\."):
        file.check()


def test_a_copy_that_was_moved_into_its_place_is_told(store: Store, place: Path, tmp_path: Path) -> None:
    file = StoreFile(store)
    copy = tmp_path / "backup.db"
    shutil.copy(place, copy)
    copy.replace(place)
    with pytest.raises(StoreError, match=r"roundsman.db was replaced by another file while"):
        file.check()


def test_a_server_has_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namesake = tmp_path / "roundsman"
    namesake.touch()
    with closing(
        Store(StoreOptions(URL.create("postgresql+psycopg", host="127.0.0.1", database=namesake.name)))
    ) as store:
        file = StoreFile(store)
        namesake.unlink()
        file.check()
        assert not namesake.exists()
