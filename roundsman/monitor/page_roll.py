"""The roll of pages that Pancake feeds: which of them are in somebody's settings still.

A page that was taken out of the settings gets no data any more. Without that its data would grow stale for good, and
be told of as a trouble that nobody can mend; so it is put on the list of what is not watched, and what people were told
of its customers ends with that reason. When it is back nothing of it is judged before it was read completely.

Other daemons on the store may have pages that this one has not. What they have stands in their rows, so a page is
out only when no living one has it, and nothing is decided while one of them does not know its pages yet.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from roundsman.conversations.pancake.checkpoint import Checkpoint
from roundsman.conversations.pancake.page_syncer import SOURCE
from roundsman.logs import fields
from roundsman.monitor import staleness, sync_troubles
from roundsman.monitor.parts import MonitorParts
from roundsman.repositories.conversations import ConversationRepository
from roundsman.repositories.daemons import DaemonRepository
from roundsman.repositories.page_syncs import PageSync, PageSyncRepository
from roundsman.repositories.watch_list import WatchListRepository

_TROUBLES = (staleness.KIND, sync_troubles.FAILED, sync_troubles.EXPIRING)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PagesSetUp:
    """Which pages the settings of this process have read from Pancake."""

    ask: Callable[[], frozenset[str] | None]
    """None: not all of them are known yet."""


class PageRoll:
    """Of one monitor."""

    def __init__(self, parts: MonitorParts, pages: PagesSetUp) -> None:
        self._parts = parts
        self._pages = pages
        self._syncs = PageSyncRepository()
        self._daemons = DaemonRepository()

    def look(self, now: datetime) -> None:
        """Strike off what is in nobody's settings, and enter again what is back. Writes only what has changed."""
        with self._parts.store.read() as connection:
            syncs = {name: sync for name, sync in self._syncs.all(connection).items() if sync.source == SOURCE}
            if not syncs:
                return
            living = [each.pages for each in self._daemons.all(connection) if each.is_alive(now)]
            names = {name: page.name or name for name, page in ConversationRepository().pages(connection).items()}
        wanted = _all_of([self._pages.ask(), *living])
        if wanted is None:
            return
        out = {name: sync for name, sync in syncs.items() if sync.is_set_up and name not in wanted}
        back = {name: sync for name, sync in syncs.items() if not sync.is_set_up and name in wanted}
        if out or back:
            self._write(out, back, now)
            self._tell("Taken out of the settings, so that their customers are no longer watched", out, names)
            self._tell("In the settings again, and watched once they are read completely", back, names)

    def _write(self, out: Mapping[str, PageSync], back: Mapping[str, PageSync], now: datetime) -> None:
        with self._parts.alerts.transaction(self._parts.job) as desk:
            # What never told us anything is no source of what we know
            self._syncs.forget(desk.connection, [name for name, sync in out.items() if not sync.has_fed])
            self._syncs.take_out(desk.connection, out.keys(), now)
            self._syncs.bring_back(desk.connection, {name: _checkpoint(sync) for name, sync in back.items()})
            WatchListRepository().look_at_pages(desk.connection, out.keys() | back.keys(), now)
            desk.resolve_all({f"{kind}:{name}": staleness.NOT_WATCHED for kind in _TROUBLES for name in out})

    def _tell(self, what: str, pages: Iterable[str], names: Mapping[str, str]) -> None:
        shown = [names.get(each, each) for each in sorted(pages)]
        if shown:
            log.info("%s: %s", what, ", ".join(shown), extra=fields(JOB=self._parts.job))


def _all_of(known: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    """The pages of all; None if one of them does not know its own."""
    found: frozenset[str] = frozenset()
    for each in known:
        if each is None:
            return None
        found |= each
    return found


def _checkpoint(sync: PageSync) -> Mapping[str, object] | None:
    """From where a page that is back is read: what happened while it was out is not here."""
    return None if sync.fresh_at is None else Checkpoint(known_until=sync.fresh_at).as_json()
