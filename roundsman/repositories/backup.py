"""Copies of a SQLite store, taken while it is in use.

SQLite's own backup interface copies one consistent state, other processes may go on writing. The copy is written
under another name, checked, synced and then renamed: a file that bears a backup's name is complete and sound. Without
the check a damaged database would be copied as it is, and in time its copies would push out the good ones.
"""

import os
import re
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from roundsman.errors import StoreError
from roundsman.repositories.place import FILE_MODE, FOLDER_MODE

KEPT = 5
_DAMAGE = ("malformed", "not a database")
"""Fragments of SQLite's own messages."""
_AUTOMATIC = re.compile(r"roundsman-\w+-(\d{8}T\d{6}Z)\.db")


def automatic_name(version: str, at: datetime) -> str:
    """Name of the copy that is taken before an upgrade; only these are thinned out."""
    return f"roundsman-{version}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.db"


def manual_name(at: datetime) -> str:
    """Name of a copy that an administrator asked for without naming a file."""
    return f"manual-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.db"


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy the live database `source` to the new file `target`, durably.

    Raises StoreError: no such database, no room, no permission. Nothing is left at `target` then.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)) as live,
            closing(sqlite3.connect(part)) as copy,
        ):
            live.backup(copy)
            _check(copy)
        _sync(part)
        part.replace(target)
        _sync(target.parent)
    except (sqlite3.Error, OSError) as error:
        with suppress(OSError):
            part.unlink()
        if isinstance(error, sqlite3.DatabaseError) and any(words in str(error) for words in _DAMAGE):
            raise StoreError(
                f"The database {source} is damaged ({error}), so no copy was made; restore the newest backup."
            ) from None
        cause = error.strerror if isinstance(error, OSError) else str(error)
        raise StoreError(
            f"The database {source} could not be copied to {target} ({cause}); "
            "free some space there or make the folder writable."
        ) from None


def _check(copy: sqlite3.Connection) -> None:
    """Raises sqlite3.DatabaseError when pages or records of the database are broken."""
    (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError("malformed: " + found.replace("\n", " "))


def thin_out(folder: Path) -> None:
    """Keep the newest automatic copies. One that cannot be removed is no reason to fail."""
    copies = {file: match[1] for file in folder.iterdir() if (match := _AUTOMATIC.fullmatch(file.name))}
    for file in sorted(copies, key=lambda file: copies[file])[:-KEPT]:
        with suppress(OSError):
            file.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
