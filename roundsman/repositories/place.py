"""From settings to an openable store: the options, and on SQLite the folder and the file with narrow permissions.

Customers' names lie in the store, so a SQLite file is made readable by its owner and group only, before SQLite
itself would make it with the umask's mode; its -wal and -shm files take over the mode of the file.
"""

import os
from pathlib import Path
from typing import Protocol

from sqlalchemy.engine import URL

from roundsman.errors import ConfigurationError, StoreError
from roundsman.repositories.engine import StoreOptions, parse_url

FOLDER_MODE = 0o750
FILE_MODE = 0o640


class Hidden(Protocol):
    """A value that is shown only on request (`config.Secret`)."""

    def reveal(self) -> str: ...


class StorePlace(Protocol):
    """What the settings know about the store (`config.StoreSettings`)."""

    @property
    def url(self) -> Hidden: ...
    @property
    def pool_size(self) -> int: ...
    @property
    def ssl(self) -> bool: ...
    @property
    def ssl_verify(self) -> bool: ...


def store_options(place: StorePlace) -> StoreOptions:
    """Raises ConfigurationError if the URL names no database that we can use."""
    try:
        url = parse_url(place.url.reveal())
    except ValueError as error:
        raise ConfigurationError([f"DATABASE_URL {error}."]) from None
    _judge_options(url)
    return StoreOptions(url, pool_size=place.pool_size, ssl=place.ssl, ssl_verify=place.ssl_verify)


def _judge_options(url: URL) -> None:
    """The part after the `?` of a PostgreSQL URL: libpq's words. Its values may be secret, so only names are told."""
    if url.drivername == "sqlite" or not url.query:
        return
    from psycopg import ProgrammingError
    from psycopg.conninfo import make_conninfo

    for name in url.query:
        try:
            make_conninfo(**{name: ""})
        except ProgrammingError:
            text = f"DATABASE_URL names the option {name!r}, which PostgreSQL's client does not know; remove it."
            raise ConfigurationError([text]) from None


def sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite URL; None for PostgreSQL and for a database in memory."""
    if url.drivername != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def prepare_file(url: URL) -> None:
    """Make the folder and an empty file of a SQLite store unless they exist. Raises StoreError."""
    file = sqlite_file(url)
    if file is None or file.exists():
        return
    try:
        file.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, FILE_MODE))
    except OSError as error:
        raise StoreError(
            f"The database {file} cannot be created ({error.strerror}); let this user write the folder {file.parent}, "
            "or name another one in ROUNDSMAN_STATE_DIR."
        ) from None
