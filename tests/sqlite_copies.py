"""SQLite stores for tests, as copies of an empty one, which do not wait for the disk.

What a process has written is there whatever becomes of the process; only a machine that stands still would lose it,
and no test does that to its own. PostgreSQL's server does not wait either (see `servers`).
"""

import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.pool import ConnectionPoolEntry

from roundsman.repositories.engine import Store, StoreOptions


def copied_store(template: Path, file: Path) -> Store:
    """A store in this file. The template comes from the fixture `sqlite_template`."""
    shutil.copy(template, file)
    store = Store(StoreOptions(URL.create("sqlite", database=str(file))))
    event.listen(store.engine, "connect", _do_not_wait)
    return store


def _do_not_wait(connection: Any, _: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA synchronous=OFF")
