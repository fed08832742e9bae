"""The rows of page_syncs that belong to a MongoDB: one for each page that FolkForm keeps up to date.

All of them bear the same checkpoint, since one walk along the changes serves all pages, and each what was last seen of
its page: a page that has changed concerns all who wait there.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.mongo.changes import AHEAD
from roundsman.conversations.mongo.checkpoint import Checkpoint
from roundsman.repositories.conversations import Page
from roundsman.repositories.page_syncs import PageSyncRepository

SOURCE = "mongo"


class PageRows:
    """Of one round after the other."""

    def __init__(self, keeper: WatchKeeper) -> None:
        self._keeper = keeper
        self._syncs = PageSyncRepository()
        self._pages: Mapping[str, Page] = {}
        self._tracked: set[str] = set()

    def look_over(self, connection: Connection, pages: Mapping[str, Page], now: datetime) -> dict[str, Any] | None:
        """See which pages there are; returns the checkpoint that is stored, if there is one.

        A page that is not synced has no watermark that could grow old.
        """
        rows = {name: row for name, row in self._syncs.all(connection).items() if row.source == SOURCE}
        checkpoints = [dict(row.checkpoint) for row in rows.values() if row.checkpoint]
        unsynced = {name for name, page in pages.items() if not page.is_synced}
        left = rows.keys() & unsynced
        changed = {
            name
            for name, page in pages.items()
            if name not in unsynced and (name not in rows or (rows[name].checkpoint or {}).get("page") != _facts(page))
        }
        self._keeper.look_at_pages(connection, changed | left, now)
        self._syncs.forget(connection, left)
        for name, row in rows.items():
            if (
                row.fresh_at is not None and row.fresh_at > now + AHEAD
            ):  # by a clock that was ahead, and nothing proves it
                self._syncs.start_anew(connection, name)
        self._pages = pages
        self._tracked = (pages.keys() | rows.keys()) - unsynced
        # They are all alike, unless somebody's hand was in it: then the one that has come least far
        return min(checkpoints, key=_progress, default=None)

    def meet(self, page_ids: Iterable[str]) -> None:
        """Pages of conversations; not all have a document."""
        self._tracked.update(name for name in page_ids if name not in self._pages)

    def advance(self, connection: Connection, checkpoint: Checkpoint, fresh_at: datetime | None) -> None:
        """Everything up to the checkpoint is here; `fresh_at` is set when nothing more is to come."""
        common = checkpoint.as_json()
        for name in sorted(self._tracked):
            page = self._pages.get(name)
            own = {**common, "page": _facts(page)} if page is not None else common
            self._syncs.advance(connection, name, SOURCE, fresh_at=fresh_at, checkpoint=own)

    def failed(self, connection: Connection, error: str, now: datetime) -> None:
        """Nothing was reached. It is tried again in the next round, whenever that is."""
        for name, row in sorted(self._syncs.all(connection).items()):
            if row.source == SOURCE:
                self._syncs.failed(connection, name, SOURCE, error, retry_at=now, now=now)


def _facts(page: Page) -> list[Any]:
    return [page.name, page.username, page.is_synced]


def _progress(checkpoint: Mapping[str, Any]) -> tuple[Any, ...]:
    walk = checkpoint["walk"]
    return (walk is None, walk or "", [at[0] for _, at in checkpoint["sweeps"]])
