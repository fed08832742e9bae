"""Whether the file of a SQLite store still lies where it was opened.

A process that has the file open does not notice when it is removed, or when a copy is put into its place: it goes on
with a file that nobody else can see, its new connections open the other one, and at its end the first is gone. What
is restored under a running daemon would be lost that way without a word.
"""

from pathlib import Path

from roundsman.errors import StoreError
from roundsman.repositories.engine import Store


class StoreFile:
    """The file as it was when this object was made; PostgreSQL has none, and nothing is checked."""

    def __init__(self, store: Store) -> None:
        self._place = store.options.url.database if store.dialect == "sqlite" else None
        self._identity = self._look()

    def check(self) -> None:
        """Raises StoreError if the file has been removed, moved or replaced since."""
        if self._identity is None:
            return
        found = self._look()
        if found != self._identity:
            what = "replaced by another file" if found is not None else "removed or moved away"
            raise StoreError(
                f"The store {self._place} was {what} while this process had it open: restart it. "
                "What it wrote since is in the old file."
            )

    def _look(self) -> tuple[int, int] | None:
        if self._place is None:
            return None
        try:
            found = Path(self._place).stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"The store {self._place} cannot be looked at: {error.strerror}.") from None
        return found.st_dev, found.st_ino
